import { displayWidth } from './display-width.ts'
import { harmless } from './harmless.ts'

/** Lines of a table with aligned columns. Cells come from sandboxes too, so nothing in them steers the terminal. */
export function table(head: string[], rows: string[][]): string {
  const cells = [head, ...rows].map((row) => row.map(harmless))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => displayWidth(row[column] ?? ''))))
  const line = (row: string[]) =>
    row.map((cell, column) => cell + ' '.repeat(widths[column]! - displayWidth(cell))).join('  ')
  return cells.map((row) => `${line(row).trimEnd()}\n`).join('')
}
