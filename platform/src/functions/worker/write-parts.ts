import type { Writable } from 'node:stream'

/** To copy more than that costs more than to write it by itself. */
const longBytes = 64 * 1024

/** Writes these at once. What is long goes as it is: to put code together with what goes before it is to copy it. */
export function writeParts(stream: Writable, parts: readonly Buffer[]): void {
  if (parts.length === 1) return void stream.write(parts[0])
  if (parts.every(({ length }) => length < longBytes)) return void stream.write(Buffer.concat(parts))
  stream.cork()
  for (const part of parts) stream.write(part)
  stream.uncork()
}
