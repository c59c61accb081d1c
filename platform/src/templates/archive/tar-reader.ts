import { blockSize, decodeHeader, type TarHeader } from '../../lib/tar-header.ts'
import { decodePax, type PaxChanges } from './pax.ts'

/** Whom a TarReader tells what it reads, in order. What these throw comes out of `push`. */
export interface TarSink {
  /** Answers whether the content is wanted. */
  entry: (header: TarHeader) => boolean
  content: (chunk: Buffer) => void
  /** After the last of a wanted content. */
  end: () => void
}

/** Long names and pax headers are held in memory. */
const mostHeaderBytes = 1024 * 1024

/**
 * Reads a tar archive that comes in pieces of any size: ustar, GNU long names, pax. Holds no more than one block and one
 * name. Throws an Error whose message is the end of a sentence about the archive.
 */
export class TarReader {
  readonly #sink: TarSink
  #held: Buffer[] = []
  #heldBytes = 0
  /** Bytes of the current entry still to come, and of the padding behind it. */
  #left = 0
  #padding = 0
  #mode: 'header' | 'content' | 'skip' | 'pax' | 'global' | 'longName' | 'longLink' = 'header'
  #changes: PaxChanges = {}
  #ended = false

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.#ended) {
      if (this.#mode === 'header') at += this.#fill(chunk, at, blockSize, (block) => this.#header(block))
      else if (this.#left > 0) at += this.#take(chunk, at)
      else at += this.#pad(chunk.length - at)
    }
  }

  /** After the last piece. Two blocks of zeros at the end may be missing, as with many programs, but nothing else. */
  finish(): void {
    if (this.#ended) return
    const whole = this.#mode === 'header' && this.#heldBytes === 0 && Object.keys(this.#changes).length === 0
    if (!whole) throw new Error('ends in the middle of an entry')
  }

  #header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      if (Object.keys(this.#changes).length > 0) throw new Error('ends in the middle of an entry')
      this.#ended = true
      return
    }
    const header = decodeHeader(block)
    this.#left = header.size
    if ('xgLK'.includes(header.type)) {
      if (header.size > mostHeaderBytes)
        throw new Error(`has a header of ${header.size} bytes, at most ${mostHeaderBytes}`)
      this.#mode = ({ x: 'pax', g: 'global', L: 'longName', K: 'longLink' } as const)[header.type as 'x']
    } else {
      const entry = { ...header, ...this.#changes }
      this.#changes = {}
      // Before POSIX, a slash at the end told a directory.
      if (entry.type === '0' && entry.path.endsWith('/')) entry.type = '5'
      // Links and directories have no content, whatever their size says.
      if ('123456'.includes(entry.type)) entry.size = 0
      this.#left = entry.size
      this.#mode = this.#sink.entry(entry) ? 'content' : 'skip'
    }
    this.#padding = (blockSize - (this.#left % blockSize)) % blockSize
    if (this.#left === 0) this.#endOfContent()
  }

  /** Takes from the chunk what belongs to the current entry, and answers how many bytes that was. */
  #take(chunk: Buffer, at: number): number {
    if (this.#mode !== 'content' && this.#mode !== 'skip') {
      return this.#fill(chunk, at, this.#left, (data) => {
        this.#left = 0
        this.#special(data)
        this.#endOfContent()
      })
    }
    const piece = chunk.subarray(at, at + this.#left)
    if (this.#mode === 'content') this.#sink.content(piece)
    this.#left -= piece.length
    if (this.#left === 0) this.#endOfContent()
    return piece.length
  }

  #special(data: Buffer): void {
    const name = () => {
      const end = data.indexOf(0)
      return data.toString('latin1', 0, end < 0 ? data.length : end)
    }
    if (this.#mode === 'longName') this.#changes.path = name()
    else if (this.#mode === 'longLink') this.#changes.linkPath = name()
    else if (this.#mode === 'pax') this.#changes = { ...this.#changes, ...decodePax(data) }
    else if (Object.keys(decodePax(data)).length > 0)
      throw new Error('has a pax header that changes all entries, which is not supported')
  }

  #endOfContent(): void {
    if (this.#mode === 'content') this.#sink.end()
    if (this.#mode !== 'header' && this.#padding === 0) this.#mode = 'header'
  }

  #pad(available: number): number {
    const taken = Math.min(this.#padding, available)
    this.#padding -= taken
    if (this.#padding === 0) this.#mode = 'header'
    return taken
  }

  /** Gathers `size` bytes, over several chunks if need be, and hands them on. Answers how many were taken. */
  #fill(chunk: Buffer, at: number, size: number, whole: (data: Buffer) => void): number {
    const piece = chunk.subarray(at, at + size - this.#heldBytes)
    if (this.#heldBytes + piece.length < size) {
      this.#held.push(Buffer.from(piece))
      this.#heldBytes += piece.length
      return piece.length
    }
    const data = this.#held.length === 0 ? piece : Buffer.concat([...this.#held, piece])
    this.#held = []
    this.#heldBytes = 0
    whole(data)
    return piece.length
  }
}
