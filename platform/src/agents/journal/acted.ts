import type { ToolCallPart } from '../../models/message.ts'

/** So many calls at most, and so much of what they were given. */
const mostActed = 64
const mostChars = 256 * 1024

/** The calls that may have changed the disk with one more, without the oldest of what is too much. */
export function withActed(before: readonly ToolCallPart[], call: ToolCallPart): ToolCallPart[] {
  const acted = [...before, call]
  let size = acted.reduce((sum, one) => sum + sizeOf(one), 0)
  while (acted.length > mostActed || (size > mostChars && acted.length > 1)) size -= sizeOf(acted.shift()!)
  return acted
}

function sizeOf({ arguments: args }: ToolCallPart): number {
  let chars = 0
  for (const value of Object.values(args)) if (typeof value === 'string') chars += value.length
  return chars
}
