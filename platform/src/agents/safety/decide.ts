import type { ToolCallPart } from '../../models/message.ts'
import type { Rule } from '../agent.ts'
import { matchInTime, mostMatchMs, type Pair } from './match-in-time.ts'

const strictness = { allow: 0, ask: 1, deny: 2 } as const

export interface Verdict {
  action: Rule['action']
  reason?: string
  /** Why it is denied though no rule says so. */
  error?: 'rules_undecided'
}

/**
 * What the rules say to a call: the one with the highest priority that holds, of several the strictest; else it is allowed. Where it
 * cannot be told in time whether they hold, it is denied.
 */
export function decide(
  rules: readonly Rule[],
  { name, arguments: args }: Pick<ToolCallPart, 'name' | 'arguments'>,
): Verdict {
  const possible = rules.flatMap((rule) => {
    const pairs = isNamed(rule.tool, name) && pairsOf(rule, args)
    return pairs ? [{ rule, pairs }] : []
  })
  const matches = matchInTime(possible.flatMap(({ pairs }) => pairs))
  if (!matches)
    return {
      action: 'deny',
      error: 'rules_undecided',
      reason: `whether the rules for it hold could not be told in ${mostMatchMs} ms: a regular expression takes too long with these arguments`,
    }
  let found: Rule | undefined
  for (const { rule, pairs } of possible) {
    if (!matches.splice(0, pairs.length).every(Boolean)) continue
    const [priority, best] = [rule.priority ?? 0, found?.priority ?? 0]
    if (!found || priority > best || (priority === best && strictness[rule.action] > strictness[found.action]))
      found = rule
  }
  return found ? { action: found.action, ...(found.reason && { reason: found.reason }) } : { action: 'allow' }
}

/** The first rule whose pattern is none, as a sentence. */
export function ruleFault(rules: readonly Rule[]): string | undefined {
  for (const { tool, arguments: patterns = {} } of rules)
    for (const [name, pattern] of Object.entries(patterns)) {
      try {
        new RegExp(pattern, 'u')
      } catch (error) {
        return `the rule for ${tool}: argument "${name}": ${(error as Error).message}`
      }
    }
  return undefined
}

/** What has to match for a rule to hold; undefined where an argument of it is not there. */
function pairsOf({ arguments: patterns = {} }: Rule, args: Record<string, unknown>): Pair[] | undefined {
  const pairs: Pair[] = []
  for (const [field, pattern] of Object.entries(patterns)) {
    const value = args[field]
    if (value === undefined) return undefined
    pairs.push({ pattern, text: typeof value === 'string' ? value : JSON.stringify(value) })
  }
  return pairs
}

/** `*` stands for anything. Only the last one that was passed is ever gone back to, so that it takes no longer with more of them. */
function isNamed(pattern: string, name: string): boolean {
  let [at, next, star, taken] = [0, 0, -1, 0]
  while (at < name.length) {
    if (pattern[next] === '*') [star, taken] = [next++, at]
    else if (next < pattern.length && pattern[next] === name[at]) [at, next] = [at + 1, next + 1]
    else if (star >= 0) [at, next] = [++taken, star + 1]
    else return false
  }
  return /^\**$/.test(pattern.slice(next))
}
