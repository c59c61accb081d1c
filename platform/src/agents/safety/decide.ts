import type { ToolCallPart } from '../../models/message.ts'
import type { Rule } from '../agent.ts'

const strictness = { allow: 0, ask: 1, deny: 2 } as const

/** What the rules say to a call: the one with the highest priority that holds, of several the strictest; else it is allowed. */
export function decide(
  rules: readonly Rule[],
  { name, arguments: args }: Pick<ToolCallPart, 'name' | 'arguments'>,
): { action: Rule['action']; reason?: string } {
  let found: Rule | undefined
  for (const rule of rules) {
    if (!holds(rule, name, args)) continue
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

function holds({ tool, arguments: patterns = {} }: Rule, name: string, args: Record<string, unknown>): boolean {
  if (!isNamed(tool, name)) return false
  return Object.entries(patterns).every(([field, pattern]) => {
    const value = args[field]
    return (
      value !== undefined && new RegExp(pattern, 'u').test(typeof value === 'string' ? value : JSON.stringify(value))
    )
  })
}

function isNamed(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(name)
}
