import { createContext, Script } from 'node:vm'

/** What all patterns of one decision may take together, milliseconds: of the one thread that everybody waits for. */
export const mostMatchMs = 250

const context = createContext(Object.create(null))
const script = new Script(`pairs.map(({ pattern, text }) => new RegExp(pattern, 'u').test(text))`)

export interface Pair {
  pattern: string
  text: string
}

/**
 * Whether each text has a match of its pattern; undefined where that cannot be told: it takes too long, as some patterns do with some
 * texts, or is too large. Who asks has to take that for the stricter answer.
 */
export function matchInTime(pairs: readonly Pair[]): boolean[] | undefined {
  if (pairs.length === 0) return []
  context.pairs = pairs
  try {
    // Patterns and texts are values in there, never code; it is the limit alone that this is for.
    return [...(script.runInContext(context, { timeout: mostMatchMs }) as boolean[])]
  } catch {
    return undefined
  } finally {
    context.pairs = undefined
  }
}
