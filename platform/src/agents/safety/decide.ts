import { beyondReading, type Finding, isSevererOrEqual } from '../../kernel/hazards/hazard.ts'
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

interface Circumstances {
  /** What was found in the code and the paths of the call. */
  findings: readonly Finding[]
  /** Whether there is somebody to be asked. */
  isAttended: boolean
}

/**
 * What the rules say to a call: the one with the highest priority that holds, of several the strictest; else it is allowed. Where
 * something was found in it, each finding is decided on by itself, and the strictest answer counts: a rule that allows one allows no
 * other. One that is severe, or says that nobody can tell by reading, is
 * asked about where no rule is for it and there is somebody. Where it cannot be told in time whether rules
 * hold, the call is denied.
 */
export function decide(
  rules: readonly Rule[],
  { name, arguments: args }: Pick<ToolCallPart, 'name' | 'arguments'>,
  { findings, isAttended }: Circumstances = { findings: [], isAttended: false },
): Verdict {
  if (rules.length === 0 && findings.length === 0) return { action: 'allow' }
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
  const holding = possible.flatMap(({ rule, pairs }) => (matches.splice(0, pairs.length).every(Boolean) ? [rule] : []))
  if (findings.length === 0) return verdictOf(holding.filter((rule) => !isForFindings(rule)))
  return findings
    .map((finding) => {
      const its = holding.filter((rule) => isFor(rule, finding))
      const isGrave = finding.severity === 'high' || beyondReading.has(finding.hazard)
      const asksUnasked = its.length === 0 && isGrave && isAttended
      return asksUnasked ? { action: 'ask' as const } : verdictOf(its)
    })
    .reduce((one, other) => (strictness[other.action] > strictness[one.action] ? other : one))
}

function verdictOf(rules: readonly Rule[]): Verdict {
  let found: Rule | undefined
  for (const rule of rules) {
    const [priority, best] = [rule.priority ?? 0, found?.priority ?? 0]
    if (!found || priority > best || (priority === best && strictness[rule.action] > strictness[found.action]))
      found = rule
  }
  return found ? { action: found.action, ...(found.reason && { reason: found.reason }) } : { action: 'allow' }
}

function isForFindings({ finding, severity }: Rule): boolean {
  return finding !== undefined || severity !== undefined
}

/** Also where it is for the call, whatever was found. */
function isFor({ finding = '*', severity = 'low' }: Rule, found: Finding): boolean {
  return isNamed(finding, found.hazard) && isSevererOrEqual(found.severity, severity)
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

/** In the name of a tool or of a finding. `*` stands for anything. Only the last one that was passed is ever gone back to, so that it takes no longer with more of them. */
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
