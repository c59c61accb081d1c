/** A piece of what a process wrote. */
export interface OutputChunk {
  stream: 'stdout' | 'stderr'
  /** Byte offset in its stream since the process started. A jump means that the sandbox no longer holds what lies between. */
  offset: number
  bytes: Uint8Array
  /** The bytes as text; what is not valid UTF-8 shows as U+FFFD. */
  text: string
}

/** The chunk that a `stdout` or `stderr` event carries; undefined for any other event. */
export function chunkFromEvent(event: string, data: unknown): OutputChunk | undefined {
  if (event !== 'stdout' && event !== 'stderr') return undefined
  const wire = data as { data: string; offset?: number; encoding?: 'base64' }
  const offset = wire.offset ?? 0
  if (wire.encoding !== 'base64') {
    return { stream: event, offset, bytes: new TextEncoder().encode(wire.data), text: wire.data }
  }
  const bytes = Uint8Array.from(atob(wire.data), (character) => character.charCodeAt(0))
  return { stream: event, offset, bytes, text: new TextDecoder().decode(bytes) }
}
