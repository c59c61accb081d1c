/** Vectors as embeddings of texts are: around topics, most of what they vary in few directions, all to one side. Of length one. */
export function clusteredVectors(
  count: number,
  { dimensions, seed }: { dimensions: number; seed: number },
): Float32Array[] {
  const normal = normalNumbers(seed)
  const [directions, topics] = [64, 2000]
  const spread = Float32Array.from({ length: directions }, (_, at) => 1 / Math.sqrt(1 + at))
  const mix = Float32Array.from({ length: directions * dimensions }, normal)
  const common = Float32Array.from({ length: dimensions }, () => 0.5 * normal())
  const centres = Array.from({ length: topics }, () => spread.map((size) => size * normal()))
  return Array.from({ length: count }, (_, index) => {
    const centre = centres[(index * 7919) % topics]!
    const vector = common.map((value) => value + 0.3 * normal())
    for (let at = 0; at < directions; at++) {
      const along = centre[at]! + 0.4 * spread[at]! * normal()
      for (let to = 0; to < dimensions; to++) vector[to]! += along * mix[at * dimensions + to]!
    }
    const length = Math.hypot(...vector)
    return vector.map((value) => value / length)
  })
}

/** How near the last of the `most` nearest is: exactly, by looking at each. */
export function exactNearest(vectors: readonly Float32Array[], query: Float32Array, most: number): number {
  const scores = new Float32Array(vectors.length)
  for (const [at, vector] of vectors.entries()) {
    let score = 0
    for (let to = 0; to < query.length; to++) score += vector[to]! * query[to]!
    scores[at] = score
  }
  return scores.sort()[vectors.length - most]!
}

function normalNumbers(seed: number): () => number {
  let state = seed
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 1) / 4_294_967_297
  }
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}
