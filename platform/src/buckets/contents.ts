import type { Readable } from 'node:stream'

/**
 * Where the content of objects is kept. A content is written once, under a name that was made for it and tells nothing of
 * its key, and is never changed.
 */
export interface Contents {
  /** Where that is, as a few words for the operator. */
  readonly description: string
  /** Resolves when the content lasts. On rejection nothing of it is left, or what is left goes with `remove`. */
  write(name: string, source: AsyncIterable<Uint8Array>, began: Began): Promise<void>
  /** `length` bytes from `offset` on. Undefined when there is no such content. */
  read(name: string, part: { offset: number; length: number }): Promise<Readable | undefined>
  /** Whether whole, in part or not at all there. `upload` is what `began` was told of it. */
  remove(name: string, upload?: string): Promise<void>
}

/** Keeps how the store calls what it has in part, so that this can be removed after a crash. */
export type Began = (upload: string) => Promise<void>
