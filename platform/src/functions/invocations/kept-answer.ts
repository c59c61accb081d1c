import type { AnswerHead } from './invocation.ts'

/** An answer that is put together to be kept. What is over `most` bytes is counted and not held. */
export class KeptAnswer {
  readonly #most: number
  readonly #pieces: Buffer[] = []
  head: AnswerHead | undefined
  bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  begin(head: AnswerHead): void {
    this.head = head
    this.bytes += JSON.stringify(head).length
  }

  add(piece: Buffer): void {
    this.bytes += piece.length
    if (this.bytes > this.#most) this.#pieces.length = 0
    else this.#pieces.push(piece)
  }

  get body(): Buffer {
    return Buffer.concat(this.#pieces)
  }
}
