import type { CodeFile, CodeSymbol } from './code-file.ts'
import { LineTable } from './line-table.ts'

const mostLineChars = 160

/**
 * What a file defines, one line for each with its number, each behind what it is in: its first line as it is written. What is
 * within functions is left out with `depth`, and what is beyond `most` lines.
 */
export function outlineOf(
  file: CodeFile,
  bytes: Buffer | undefined,
  { most, depth = 3 }: { most: number; depth?: number },
): string[] {
  const lines = bytes && new LineTable(bytes)
  const shown: string[] = []
  let left = 0
  let last = 0
  for (const symbol of file.symbols()) {
    const level = symbol.within ? symbol.within.split('.').length : 0
    if (level > depth || symbol.line === last) continue
    if (shown.length >= most) {
      left++
      continue
    }
    last = symbol.line
    shown.push(
      `${String(symbol.line).padStart(5)}  ${'  '.repeat(level)}${lines ? signatureOf(symbol, bytes!, lines) : `${symbol.kind} ${symbol.name}`}`,
    )
  }
  if (left > 0) shown.push(`… and ${left} more`)
  return shown
}

/** The line that its name is in. */
export function signatureOf({ line }: Pick<CodeSymbol, 'line'>, bytes: Buffer, lines: LineTable): string {
  const [start, end] = lines.bordersOf(line - 1)
  return bytes
    .toString('utf8', start, Math.min(end, start + 4 * mostLineChars))
    .trim()
    .slice(0, mostLineChars)
}
