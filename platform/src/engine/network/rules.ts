import { WarrenError } from '../../errors.ts'
import { type AddressRange, contains, parseRange } from './addresses.ts'
import { floorAround } from './floor.ts'
import type { Outgoing } from './outgoing.ts'

/** As an API asks where what is allowed goes before what is denied; what was not said is absent. */
export interface AskedReach {
  internet?: boolean
  allow?: string[]
  deny?: string[]
}

/** What a sandbox may reach, as its owner writes it. */
export interface NetworkPolicy {
  /** Everything but the floor and `deny`. */
  internet: boolean
  /** `93.184.216.0/24`, `example.com`, `*.example.com`, each with or without `:port` or `:first-last`. */
  allow: string[]
  /** As `allow`, and `:port` for a port anywhere. Goes before `allow` and `internet`. */
  deny: string[]
  /** Megabits a second in each direction; without it as much as there is. */
  bandwidthMbps?: number
  /** Headers that are changed on their way out, without their values. */
  rules?: { host: string; set: string[]; remove: string[] }[]
  /** Names of secrets whose placeholders are filled in requests from inside. */
  secrets?: string[]
  /** Whom the tokens are for that say which sandbox a request comes from, by name. */
  identity?: Record<string, string>
  /** By whom connections go. */
  proxy?: { address: string; username?: string }
  /** The values that belong to `rules` and `proxy`, sealed for the account. */
  sealed?: string
  /** The words it was asked for in, where they are not those above: for who reads them back. Nothing goes by them. */
  asked?: AskedReach
  /** Nothing is reached for now, whatever the rest says. Never recorded. */
  shut?: true
  /** All of these with their values: for the gateway, in memory alone. */
  outgoing?: Outgoing
}

export const closedPolicy: NetworkPolicy = { internet: false, allow: [], deny: [] }

export function isOpenPolicy({ internet, allow }: NetworkPolicy): boolean {
  return internet || allow.length > 0
}

interface Ports {
  first: number
  last: number
}

export type Rule =
  | { kind: 'range'; range: AddressRange; ports: Ports | undefined }
  /** `suffix` is the name itself, or with `wildcard` what every name below it ends with. */
  | { kind: 'name'; suffix: string; wildcard: boolean; ports: Ports | undefined }

/** A policy that can be asked. */
export interface Rules {
  internet: boolean
  allow: Rule[]
  deny: Rule[]
  bytesPerSecond: number | undefined
}

/** Throws `invalid_request` for a rule that is none, `forbidden` for one that would open the floor. */
export function readPolicy(policy: NetworkPolicy, opened: readonly AddressRange[]): Rules {
  const allow = policy.allow.map((text) => readRule(text, 'allow'))
  for (const rule of allow) if (rule.kind === 'range') refuseFloor(rule.range, opened)
  return {
    internet: policy.internet,
    allow,
    deny: policy.deny.map((text) => readRule(text, 'deny')),
    bytesPerSecond: policy.bandwidthMbps === undefined ? undefined : (policy.bandwidthMbps * 1_000_000) / 8,
  }
}

export function hasPort(ports: Ports | undefined, port: number): boolean {
  return ports === undefined || (port >= ports.first && port <= ports.last)
}

export function hasAddress(rule: Rule, address: number, port: number): boolean {
  return rule.kind === 'range' && contains(rule.range, address) && hasPort(rule.ports, port)
}

export function hasName(rule: Rule, name: string): boolean {
  if (rule.kind !== 'name') return false
  return rule.wildcard ? name.endsWith(`.${rule.suffix}`) : name === rule.suffix
}

/** Lower case and without the dot of the root; undefined for what cannot be a host's name. */
export function plainName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  const labels = name.split('.')
  const ok = name.length <= 253 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  // The last label is never a number: 2130706433 and 0x7f000001 are addresses in disguise.
  return ok && !/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!) ? name : undefined
}

/** `example.com` or `*.example.com` in plain spelling, as `hasHost` takes it; undefined for anything else. */
export function hostPattern(text: string): string | undefined {
  const wildcard = text.startsWith('*.')
  const name = plainName(wildcard ? text.slice(2) : text)
  return name && (wildcard ? `*.${name}` : name)
}

function readRule(text: string, list: 'allow' | 'deny'): Rule {
  const [, target = '', port] = /^(.*?)(?::(\d+(?:-\d+)?))?$/.exec(text) ?? []
  if (target.includes(':') || target.includes('[')) {
    throw new WarrenError('invalid_request', `network.${list}: "${text}" is IPv6, which sandboxes do not have`)
  }
  const ports = port === undefined ? undefined : readPorts(port, text, list)
  if (target === '' && ports && list === 'deny') return { kind: 'range', range: parseRange('0.0.0.0/0')!, ports }
  const range = parseRange(target)
  if (range) return { kind: 'range', range, ports }
  const wildcard = target.startsWith('*.')
  const suffix = plainName(wildcard ? target.slice(2) : target)
  if (suffix && !target.includes('/')) return { kind: 'name', suffix, wildcard, ports }
  throw new WarrenError('invalid_request', `network.${list}: "${text}" is neither a range of addresses nor a name`, {
    hint: 'Write 93.184.216.0/24, example.com or *.example.com, with :port or :first-last behind it if it is to be so narrow.',
  })
}

function readPorts(text: string, rule: string, list: string): Ports {
  const [first = 0, last = first] = text.split('-').map(Number)
  if (first >= 1 && last <= 65_535 && first <= last) return { first, last }
  throw new WarrenError('invalid_request', `network.${list}: "${rule}" must name ports from 1 to 65535`)
}

function refuseFloor(range: AddressRange, opened: readonly AddressRange[]): void {
  const part = floorAround(range, opened)
  if (!part) return
  throw new WarrenError('forbidden', `network.allow: "${range.text}" is in ${part}, which no sandbox may reach`, {
    hint: 'The operator can open a private range for all sandboxes with WARREN_EGRESS_OPEN.',
  })
}
