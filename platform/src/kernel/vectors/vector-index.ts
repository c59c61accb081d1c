import { readFileSync } from 'node:fs'
import { WarrenError } from '../../errors.ts'

export interface Found {
  id: string
  /** The cosine of the angle between the vector that was asked for and this one. */
  score: number
}

/** What scan.wat exports; numbers are places in its memory, counts and bytes. */
interface Kernel {
  encode(
    ...[vector, mean, bytes, signs, work, size, into]: [number, number, number, number, number, number, number]
  ): void
  scan(groups: number, count: number, table: number, distances: number): void
  spread(code: number, into: number): void
  sample(distances: number, rows: number, step: number, histogram: number): void
  nearest(distances: number, rows: number, most: number, into: number): number
  compare(...[codes, rows, count, table, distances, histogram]: [number, number, number, number, number, number]): void
  combine(halves: number, table: number): void
  dot(one: number, other: number, bytes: number): number
}

/** Vectors that are held together; a multiple of those in a group. */
const blockRows = 8192
/** Rows whose first bytes are looked at together. */
const groupRows = 64
/**
 * A code tells of each of the 512 first numbers of a vector that has been turned whether it is above zero, and its distance in
 * bits grows with the angle. Turning (random signs and a Walsh-Hadamard transform, twice) makes each number tell as much as any
 * other; what all vectors have in common is taken away before, or it would be all that the signs tell.
 */
const codeBits = 512
const codeBytes = codeBits / 8
/** By so many of its first bytes it is told which codes are worth to be compared: a part of all, but never fewer than these. */
const firstBytes = 24
const worthComparing = 1 / 96
const leastCompared = 1024
/** Distances by the first bytes are one byte; this part of the largest one is where it ends, since what is farther does not matter. */
const farthest = 0.5
/** From this many rows on, how the distances lie is told by a part of them. */
const sampledFrom = 16_384
const sampleStep = 7
/** The largest distance by whole codes: one with the query's signs all turned round. Rounding up to it must not go over 16 bits. */
const largestDistance = 65_535 - codeBits
/** Distances by whole codes are counted in steps of 64. */
const distanceStep = 64
const distanceCounts = 1024
const pageBytes = 65_536
/** Of each row, during a search: how far its first bytes are, and of those that are near by them their numbers and distances. */
const foundBytes = 1 + 4 + 2
/** At these sizes it is measured anew what the vectors have in common, and their codes are made again. */
const refitAt = [64, 256, 1024, 4096, 16_384]
/** So many of the nearest codes are compared as what they stand for. */
const defaultCandidates = 160
/** More than a memory of 4 GiB holds, whatever the dimensions. */
const mostDimensions = 8192

const module = new WebAssembly.Module(readFileSync(new URL('scan.wasm', import.meta.url)))

/**
 * Vectors by their ids, and the nearest ones to a vector by cosine. The whole of it is in memory, and is a cache: what it is
 * built from lies elsewhere. A search compares codes of 512 bits with all of them and then the vectors of the best.
 */
export class VectorIndex {
  readonly dimensions: number
  readonly #memory = new WebAssembly.Memory({ initial: 1 })
  readonly #kernel: Kernel
  /** Bytes of a vector in memory: a multiple of 16. */
  readonly #stride: number
  /** Where each block of rows begins: its groups, its codes, its vectors, then what the last search found out about them. */
  readonly #blocks: number[] = []
  readonly #ids: string[] = []
  readonly #rows = new Map<string, number>()
  /** Bytes of a vector that is turned. */
  readonly #turned: number
  /** Places in memory. */
  readonly #at: Record<
    'vector' | 'mean' | 'signs' | 'work' | 'code' | 'table' | 'halves' | 'bytes' | 'histogram',
    number
  >
  #free = 0

  constructor(dimensions: number) {
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > mostDimensions)
      throw new WarrenError('invalid_request', `a vector has 1 to ${mostDimensions} dimensions, not ${dimensions}`)
    this.dimensions = dimensions
    this.#stride = 16 * Math.ceil(dimensions / 4)
    this.#turned = 4 * Math.max(codeBits, 2 ** Math.ceil(Math.log2(dimensions)))
    const { exports } = new WebAssembly.Instance(module, { index: { memory: this.#memory } })
    this.#kernel = exports as unknown as Kernel
    this.#at = {
      vector: this.#take(this.#stride),
      mean: this.#take(this.#stride),
      signs: this.#take(2 * this.#turned),
      work: this.#take(this.#turned),
      code: this.#take(codeBytes),
      table: this.#take(firstBytes * 32),
      halves: this.#take(codeBytes * 64),
      bytes: this.#take(codeBytes * 512),
      histogram: this.#take(4 * distanceCounts),
    }
    fillWithSigns(this.#floats(this.#at.signs, this.#turned / 2))
  }

  get size(): number {
    return this.#ids.length
  }

  /** Adds a vector, or puts another one in the place of an id. Throws `invalid_request` for one that has no direction. */
  add(id: string, vector: ArrayLike<number>): void {
    this.#hold(vector)
    const known = this.#rows.get(id)
    const row = known ?? this.#ids.length
    if (row === this.#blocks.length * blockRows)
      this.#blocks.push(this.#take(blockRows * (firstBytes + codeBytes + this.#stride + foundBytes)))
    this.#vectorAt(row).set(this.#floats(this.#at.vector, this.dimensions))
    this.#encodeRow(row)
    if (known !== undefined) return
    this.#ids.push(id)
    this.#rows.set(id, row)
    if (refitAt.includes(this.size)) this.#refit()
  }

  /** False when there is no such id. */
  remove(id: string): boolean {
    const row = this.#rows.get(id)
    if (row === undefined) return false
    const last = this.#ids.pop()!
    this.#rows.delete(id)
    if (last === id) return true
    this.#vectorAt(row).set(this.#vectorAt(this.size))
    this.#encodeRow(row)
    this.#ids[row] = last
    this.#rows.set(last, row)
    return true
  }

  /** The `most` nearest, best first. With more `candidates` it misses fewer of them, and takes longer. */
  search(vector: ArrayLike<number>, most: number, candidates: number = defaultCandidates): Found[] {
    const { code, halves, bytes, histogram } = this.#at
    this.#hold(vector)
    this.#encode(this.#at.vector, code)
    const wanted = Math.max(most, candidates)
    const reach = this.#scan(Math.max(leastCompared, 8 * wanted, Math.ceil(this.size * worthComparing)))

    fillHalves(this.#memoryOf(Uint16Array, halves, codeBytes * 32), this.#floats(this.#at.work, codeBits))
    this.#kernel.combine(halves, bytes)
    const counts = this.#words(histogram, distanceCounts)
    counts.fill(0)
    const found: number[] = []
    for (let block = 0; block < this.#blocks.length; block++) {
      const [distances, rows, compared] = this.#found(block)
      const codes = this.#blocks[block]! + blockRows * firstBytes
      const count = this.#kernel.nearest(distances, this.#rowsIn(block), reach, rows)
      this.#kernel.compare(codes, rows, count, bytes, compared, histogram)
      found.push(count)
    }
    const limit = distanceStep * (reachOf(counts, wanted) + 1)
    const best: { row: number; score: number }[] = []
    for (let block = 0; block < found.length; block++) {
      const [, rowsAt, compared] = this.#found(block)
      const distances = this.#memoryOf(Uint16Array, compared, found[block]!)
      const rows = this.#words(rowsAt, found[block]!)
      for (let at = 0; at < rows.length; at++)
        if (distances[at]! < limit) this.#compare(block, rows[at]!, { most, best })
    }
    return best.map(({ row, score }) => ({ id: this.#ids[row]!, score }))
  }

  /** How far each row is from the query by the first bytes of its code. Answers the distance within which about `wanted` are. */
  #scan(wanted: number): number {
    const { table, histogram } = this.#at
    const counts = this.#words(histogram, 256)
    counts.fill(0)
    const isAll = wanted >= this.size
    if (!isAll)
      fillTable(this.#memoryOf(Uint8Array, table, firstBytes * 32), this.#floats(this.#at.work, firstBytes * 8))
    const step = this.size < sampledFrom ? 1 : sampleStep
    for (let block = 0; block < this.#blocks.length; block++) {
      const rows = this.#rowsIn(block)
      const [distances] = this.#found(block)
      if (isAll) this.#memoryOf(Uint8Array, distances, rows).fill(0)
      else this.#kernel.scan(this.#blocks[block]!, Math.ceil(rows / groupRows), table, distances)
      if (!isAll) this.#kernel.sample(distances, rows, step, histogram)
    }
    return isAll ? 0 : reachOf(counts, Math.ceil(wanted / step))
  }

  /** Keeps the row if it is one of the best. */
  #compare(block: number, row: number, { most, best }: { most: number; best: { row: number; score: number }[] }): void {
    const score = this.#kernel.dot(this.#vectorStart(block, row), this.#at.vector, this.#stride)
    if (best.length === most && score <= best[most - 1]!.score) return
    let at = best.length
    while (at > 0 && best[at - 1]!.score < score) at--
    best.splice(at, 0, { row: block * blockRows + row, score })
    if (best.length > most) best.pop()
  }

  #refit(): void {
    const mean = this.#floats(this.#at.mean, this.dimensions).fill(0)
    for (let row = 0; row < this.size; row++) {
      const vector = this.#vectorAt(row)
      for (let at = 0; at < mean.length; at++) mean[at]! += vector[at]! / this.size
    }
    for (let row = 0; row < this.size; row++) this.#encodeRow(row)
  }

  #encodeRow(row: number): void {
    const [block, inBlock] = [Math.floor(row / blockRows), row % blockRows]
    const start = this.#blocks[block]!
    const code = start + blockRows * firstBytes + codeBytes * inBlock
    this.#encode(this.#vectorStart(block, inBlock), code)
    const [group, inGroup] = [Math.floor(inBlock / groupRows), inBlock % groupRows]
    this.#kernel.spread(code, start + group * groupRows * firstBytes + inGroup)
  }

  #encode(vector: number, into: number): void {
    const { mean, signs, work } = this.#at
    this.#kernel.encode(vector, mean, this.#stride, signs, work, this.#turned, into)
  }

  /** Puts it in its place in memory, with length one. */
  #hold(vector: ArrayLike<number>): void {
    const { dimensions } = this
    if (vector.length !== dimensions)
      throw new WarrenError(
        'invalid_request',
        `the vectors of this index have ${dimensions} dimensions, not ${vector.length}`,
      )
    let squares = 0
    for (let at = 0; at < dimensions; at++) squares += vector[at]! * vector[at]!
    const length = Math.sqrt(squares)
    if (!(length > 0 && length < Number.POSITIVE_INFINITY))
      throw new WarrenError('invalid_request', 'a vector needs a direction: finite numbers, not all of them zero')
    const held = this.#floats(this.#at.vector, dimensions)
    for (let at = 0; at < dimensions; at++) held[at] = vector[at]! / length
  }

  #rowsIn(block: number): number {
    return Math.min(blockRows, this.size - block * blockRows)
  }

  #vectorStart(block: number, row: number): number {
    return this.#blocks[block]! + blockRows * (firstBytes + codeBytes) + row * this.#stride
  }

  /** Where a search keeps the distances of a block, and of those that are near the numbers and distances. */
  #found(block: number): [distances: number, rows: number, compared: number] {
    const start = this.#vectorStart(block, blockRows)
    return [start, start + blockRows, start + 5 * blockRows]
  }

  #vectorAt(row: number): Float32Array {
    return this.#floats(this.#vectorStart(Math.floor(row / blockRows), row % blockRows), this.dimensions)
  }

  #floats(start: number, length: number): Float32Array {
    return this.#memoryOf(Float32Array, start, length)
  }

  #words(start: number, length: number): Uint32Array {
    return this.#memoryOf(Uint32Array, start, length)
  }

  /** Only until the memory grows. */
  #memoryOf<T>(kind: new (buffer: ArrayBuffer, start: number, length: number) => T, start: number, length: number): T {
    return new kind(this.#memory.buffer, start, length)
  }

  #take(bytes: number): number {
    const start = this.#free
    this.#free += 64 * Math.ceil(bytes / 64)
    const missing = Math.ceil((this.#free - this.#memory.buffer.byteLength) / pageBytes)
    try {
      if (missing > 0) this.#memory.grow(missing)
    } catch (cause) {
      throw new WarrenError(
        'limit_exceeded',
        `an index holds at most 4 GiB; this one is full at ${this.size} vectors`,
        { cause },
      )
    }
    return start
  }
}

/** The distance within which at least `wanted` codes are. */
function reachOf(histogram: Uint32Array, wanted: number): number {
  let within = 0
  for (let distance = 0; distance < histogram.length; distance++) {
    within += histogram[distance]!
    if (within >= wanted) return distance
  }
  return histogram.length - 1
}

/**
 * Of each half byte of a code how much each of its values adds to the distance from a query: the numbers of the query on whose
 * other side it is. So the query counts as what it is, and only what is searched as signs.
 */
function fillTable(table: Uint8Array, query: Float32Array): void {
  let sum = 0
  for (const value of query) sum += Math.abs(value)
  const scale = 255 / (farthest * sum)
  for (let half = 0; half < query.length / 4; half++)
    for (let bits = 0; bits < 16; bits++) {
      let distance = 0
      for (let bit = 0; bit < 4; bit++) {
        const value = query[4 * half + bit]!
        if (((bits >> bit) & 1) !== (value > 0 ? 1 : 0)) distance += Math.abs(value)
      }
      table[16 * half + bits] = Math.min(255, Math.round(distance * scale))
    }
}

/** As `fillTable`, of all half bytes, to their ends and in 16 bits. */
function fillHalves(table: Uint16Array, query: Float32Array): void {
  let sum = 0
  for (const value of query) sum += Math.abs(value)
  const scale = largestDistance / sum
  for (let half = 0; half < query.length / 4; half++) {
    const at = 16 * half
    // Each value is one with a bit less, and that bit.
    let none = 0
    for (let bit = 0; bit < 4; bit++) if (query[4 * half + bit]! > 0) none += query[4 * half + bit]! * scale
    table[at] = Math.round(none)
    for (let bit = 0; bit < 4; bit++) {
      const added = -query[4 * half + bit]! * scale
      for (let bits = 0; bits < 1 << bit; bits++)
        table[at + bits + (1 << bit)] = Math.max(0, Math.round(table[at + bits]! + added))
    }
  }
}

/** The same ones in every process: codes are compared with codes that were made before. */
function fillWithSigns(signs: Float32Array): void {
  let state = 0x2545f491
  for (let at = 0; at < signs.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    signs[at] = state & 1 ? 1 : -1
  }
}
