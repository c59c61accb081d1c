/** So much of the answer of one call may be on its way to whoever reads it, bytes. A fast reader is never that far behind. */
export const windowBytes = 256 * 1024
/** With its last piece a program may send more than it has room for, bytes. */
const pieceBytes = 64 * 1024

interface Options {
  /** Tells the program that a call has room for so much more. */
  grant: (call: number, bytes: number) => void
  /** Told when `isFull` may have changed. */
  onChange: () => void
}

interface Answer {
  unread: number
  /** What was read, and the program has not been told of. */
  read: number
}

/**
 * What a worker has sent of answers in pieces and those who wait for them have not read. A program sends as much of each
 * call as it was given room for: so slow readers of some calls do not hold up the others. One that sends more is not heard at all until it is read.
 */
export class Unread {
  readonly #options: Options
  readonly #answers = new Map<number, Answer>()
  readonly #over = new Set<number>()

  constructor(options: Options) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#over.size > 0
  }

  /** A piece was written; where there is a `room`, behind others that are not read yet, until that resolves. */
  wrote(call: number, bytes: number, room: Promise<void> | undefined): void {
    const answer = this.#answers.get(call) ?? { unread: 0, read: 0 }
    this.#answers.set(call, answer)
    if (!room) {
      this.#grant(call, answer, bytes)
      return
    }
    if (answer.unread === 0)
      void room.then(() => {
        const { unread } = answer
        answer.unread = 0
        if (this.#answers.get(call) !== answer) return
        this.#grant(call, answer, unread)
        if (this.#over.delete(call)) this.#options.onChange()
      })
    answer.unread += bytes
    if (answer.unread <= windowBytes + pieceBytes || this.#over.has(call)) return
    this.#over.add(call)
    this.#options.onChange()
  }

  /** Nobody waits for it any more. */
  forget(call: number): void {
    this.#answers.delete(call)
    if (this.#over.delete(call)) this.#options.onChange()
  }

  /** Not each time, so that a fast reader costs few words. */
  #grant(call: number, answer: Answer, bytes: number): void {
    answer.read += bytes
    if (answer.read < windowBytes / 2) return
    this.#options.grant(call, answer.read)
    answer.read = 0
  }
}
