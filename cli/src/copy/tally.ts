/** What a copy has done so far. */
export interface CopyTally {
  files: number
  bytes: number
  /** Sentences about what was left out. */
  skipped: string[]
}

export interface CopyOptions {
  /** Who acts inside the sandbox. */
  user: string | undefined
  signal: AbortSignal
  onProgress: (tally: CopyTally) => void
}

/** Passes chunks on and counts them. */
export async function* counted<T extends Uint8Array>(
  chunks: AsyncIterable<T>,
  tally: CopyTally,
  onProgress: CopyOptions['onProgress'],
): AsyncGenerator<T> {
  for await (const chunk of chunks) {
    tally.bytes += chunk.length
    onProgress(tally)
    yield chunk
  }
}
