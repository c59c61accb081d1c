/** One JSON document on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** Writes to stdout or stderr and waits until there is room for more. */
export async function writeAll(stream: NodeJS.WriteStream, data: Uint8Array | string): Promise<void> {
  if (!stream.write(data)) await new Promise((resolve) => stream.once('drain', resolve))
}
