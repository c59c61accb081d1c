import type { AddressRange } from './addresses.ts'
import { closedBecause } from './floor.ts'
import { hasAddress, hasName, hasPort, type Rule, type Rules } from './rules.ts'

export type Verdict =
  /** `inspect`: only if what the connection itself names is allowed too. */
  { allowed: true; inspect: 'tls' | 'http' | undefined } | { allowed: false; reason: string }

/** Ports of a rule for a name that mentions none. On these the connection must name itself. */
const namingPorts: Record<number, 'tls' | 'http'> = { 80: 'http', 443: 'tls' }

/**
 * Whether a connection to this address may begin. `names` are those that the sandbox was told to stand for the address.
 * The floor first, then what is denied, then what is allowed.
 */
export function decideConnection(
  rules: Rules,
  to: { address: number; port: number; names: readonly string[] },
  opened: readonly AddressRange[],
): Verdict {
  const { address, port, names } = to
  const closed = closedBecause(address, opened)
  if (closed) return refuse(`the address ${closed}`)
  if (rules.deny.some((rule) => hasAddress(rule, address, port))) return refuse('denied')
  if (rules.allow.some((rule) => hasAddress(rule, address, port))) return { allowed: true, inspect: undefined }
  const inspect = namingPorts[port]
  if (rules.internet) {
    const deniesNames = rules.deny.some((rule) => rule.kind === 'name' && hasPort(rule.ports, port))
    if (names.some((name) => isDenied(rules, name, port))) return refuse('denied')
    return { allowed: true, inspect: deniesNames ? inspect : undefined }
  }
  if (inspect) {
    // The address need not have been asked for by name: the name that the connection carries is looked up then.
    return rules.allow.some((rule) => rule.kind === 'name' && namesPort(rule, port))
      ? { allowed: true, inspect }
      : refuse('not allowed')
  }
  return names.some((name) => decideName(rules, name, port))
    ? { allowed: true, inspect: undefined }
    : refuse('not allowed')
}

/** Whether a connection to this port may be for this name. Whether the name stands for the address is another question. */
export function decideName(rules: Rules, name: string, port: number): boolean {
  if (isDenied(rules, name, port)) return false
  return rules.internet || rules.allow.some((rule) => hasName(rule, name) && namesPort(rule, port))
}

/** Whether a name may be asked for at all. */
export function decideQuestion(rules: Rules, name: string): boolean {
  if (rules.deny.some((rule) => hasName(rule, name) && rule.ports === undefined)) return false
  return rules.internet || rules.allow.some((rule) => hasName(rule, name))
}

function isDenied(rules: Rules, name: string, port: number): boolean {
  return rules.deny.some((rule) => hasName(rule, name) && hasPort(rule.ports, port))
}

function namesPort(rule: Rule, port: number): boolean {
  return rule.ports ? hasPort(rule.ports, port) : port in namingPorts
}

function refuse(reason: string): Verdict {
  return { allowed: false, reason }
}
