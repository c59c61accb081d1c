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
  distances(codes: number, rows: number, query: number, distances: number, histogram: number): void
  nearest(distances: number, rows: number, most: number, into: number): number
  dot(one: number, other: number, bytes: number): number
}

/** Vectors that are held together; a multiple of eight. */
const blockRows = 8192
/**
 * A code tells of each of the 512 first numbers of a vector that has been turned whether it is above zero, and its distance in
 * bits grows with the angle. Turning (random signs and a Walsh-Hadamard transform, twice) makes each number tell as much as any
 * other; what all vectors have in common is taken away before, or it would be all that the signs tell.
 */
const codeBits = 512
const codeBytes = codeBits / 8
const pageBytes = 65_536
/** At these sizes it is measured anew what the vectors have in common, and their codes are made again. */
const refitAt = [64, 256, 1024, 4096, 16_384]
/** So many of the nearest codes are compared as what they stand for. */
const defaultCandidates = 128
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
  /** Where each block of rows begins: its codes, then its vectors, then how far each was from the last query. */
  readonly #blocks: number[] = []
  readonly #ids: string[] = []
  readonly #rows = new Map<string, number>()
  /** Bytes of a vector that is turned. */
  readonly #turned: number
  /** Places in memory. */
  readonly #at: Record<'vector' | 'mean' | 'signs' | 'work' | 'code' | 'histogram' | 'found', number>
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
      histogram: this.#take(4 * (codeBits + 1)),
      found: this.#take(4 * blockRows),
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
      this.#blocks.push(this.#take(blockRows * (codeBytes + this.#stride + 2)))
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
    const { code, histogram } = this.#at
    this.#hold(vector)
    this.#encode(this.#at.vector, code)
    const counts = this.#words(histogram, codeBits + 1)
    counts.fill(0)
    for (const [block, start] of this.#blocks.entries())
      this.#kernel.distances(start, this.#rowsIn(block), code, this.#distances(block), histogram)
    const limit = reachOf(counts, Math.max(most, candidates))
    const best: { row: number; score: number }[] = []
    for (const block of this.#blocks.keys()) this.#compare(block, limit, { most, best })
    return best.map(({ row, score }) => ({ id: this.#ids[row]!, score }))
  }

  /** Keeps the best of the block's rows that are within `limit` bits of the query. */
  #compare(
    block: number,
    limit: number,
    { most, best }: { most: number; best: { row: number; score: number }[] },
  ): void {
    const { vector: query, found } = this.#at
    const [rows, distances] = [this.#rowsIn(block), this.#distances(block)]
    const whole = 8 * Math.ceil(rows / 8)
    this.#memoryOf(Uint16Array, distances + 2 * rows, whole - rows).fill(codeBits + 1)
    const count = this.#kernel.nearest(distances, whole, limit, found)
    for (const inBlock of this.#words(found, count)) {
      const score = this.#kernel.dot(this.#vectorStart(block, inBlock), query, this.#stride)
      if (best.length === most && score <= best[most - 1]!.score) continue
      let at = best.length
      while (at > 0 && best[at - 1]!.score < score) at--
      best.splice(at, 0, { row: block * blockRows + inBlock, score })
      if (best.length > most) best.pop()
    }
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
    this.#encode(this.#vectorStart(block, inBlock), this.#blocks[block]! + codeBytes * inBlock)
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
    return this.#blocks[block]! + blockRows * codeBytes + row * this.#stride
  }

  #distances(block: number): number {
    return this.#vectorStart(block, blockRows)
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
  for (let distance = 0; distance <= codeBits; distance++) {
    within += histogram[distance]!
    if (within >= wanted) return distance
  }
  return codeBits
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
