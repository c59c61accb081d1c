import { WarrenError } from '../../errors.ts'
import { type AddressRange, parseRange } from './addresses.ts'
import { floorAround } from './floor.ts'
import { hostPattern, plainName } from './rules.ts'

/** What is changed in the headers of requests to a host, on their way out of a sandbox. */
export interface HeaderRule {
  /** `example.com`, or `*.example.com` for every name below it. */
  host: string
  /** Replaced or added. Values may have placeholders of secrets in them. */
  set: Record<string, string>
  remove: string[]
}

export interface OutgoingSecret {
  /** Lower case. */
  name: string
  value: string
  /** Where it may go; with none, wherever a rule sends it. */
  hosts: string[]
}

/** By whom connections go, in the place of the host itself. Speaks SOCKS 5. */
export interface OutgoingProxy {
  /** `host:port` */
  address: string
  username?: string
  password?: string
}

/** What is done to what goes out of a sandbox. It has values of secrets: it is kept in memory and never written anywhere. */
export interface Outgoing {
  rules: HeaderRule[]
  secrets: OutgoingSecret[]
  /** Names of those whose placeholders are filled in requests from inside, for their own hosts. */
  inside: string[]
  proxy?: OutgoingProxy
  /** Tokens that say which sandbox a request comes from, by name. Only rules send them. */
  identities?: Record<string, string>
}

/** What stands in a header for something else. */
export interface Placeholder {
  of: 'secret' | 'identity'
  /** Of a secret in lower case. */
  name: string
}

/** In the spelling of Warren and in that of E2B. */
const placeholder =
  /\$\{(?:(?:warren|e2b)\.secrets\.(?<secret>[^{}]+)|(?:warren\.identity|e2b\.identity\.tokens)\.(?<identity>[^{}]+))\}/g

export function placeholdersIn(text: string): Placeholder[] {
  return [...text.matchAll(placeholder)].map(({ groups }) => read(groups!))
}

/** Names of the secrets that `text` has placeholders of, in lower case. */
export function secretsIn(text: string): string[] {
  return placeholdersIn(text).flatMap(({ of, name }) => (of === 'secret' ? name : []))
}

export function fillPlaceholders(text: string, fill: (found: Placeholder) => string): string {
  return text.replaceAll(placeholder, (...found) => fill(read(found.at(-1) as unknown as Record<string, string>)))
}

function read({ secret, identity }: Record<string, string | undefined>): Placeholder {
  return secret === undefined ? { of: 'identity', name: identity! } : { of: 'secret', name: secret.toLowerCase() }
}

export function isForHost(pattern: string, name: string): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern
}

/** Whether every name that `pattern` stands for is one of `hosts`. */
export function coversHost(hosts: readonly string[], pattern: string): boolean {
  return hosts.some((host) => host === pattern || (host.startsWith('*.') && pattern.endsWith(host.slice(1))))
}

/** The rule for `name`: the exact one, else the one with the longest name. Rules are not merged. */
export function ruleFor(rules: readonly HeaderRule[], name: string): HeaderRule | undefined {
  const fitting = rules.filter(({ host }) => isForHost(host, name))
  return fitting.find(({ host }) => host === name) ?? fitting.sort((a, b) => b.host.length - a.host.length)[0]
}

/** Whether there may be requests that are looked into. */
export function looksInto(outgoing: Outgoing | undefined): boolean {
  return outgoing !== undefined && (outgoing.rules.length > 0 || outgoing.inside.length > 0)
}

/** Whether requests to `name` are looked into: a rule is for it, or a secret may be sent there from inside. */
export function isLookedInto({ rules, secrets, inside }: Outgoing, name: string): boolean {
  const isSecretFor = ({ name: secret, hosts }: OutgoingSecret) =>
    inside.includes(secret) && hosts.some((host) => isForHost(host, name))
  return ruleFor(rules, name) !== undefined || secrets.some(isSecretFor)
}

const headerName = /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/
/** They say where a message ends, or are meant for one hop. */
const ownHeaders = new Set([
  ...['host', 'connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'content-length', 'upgrade', 'expect'],
  ...['proxy-connection', 'proxy-authorization', 'proxy-authenticate', 'http2-settings'],
])

/**
 * The rules in plain spelling; `identities` are the names of the tokens that they may send. Throws `invalid_request` for
 * what cannot be done, without showing values.
 */
export function readHeaderRules(rules: readonly HeaderRule[], identities: readonly string[] = []): HeaderRule[] {
  const read = rules.map(({ host: text, set, remove }) => {
    const host = hostPattern(text)
    if (!host) throw invalid(`"${text}" is neither a name nor *. and a name`)
    const names = Object.keys(set).map((name) => readHeaderName(name, host))
    if (new Set(names).size < names.length) throw invalid(`${host}: a header is set twice`)
    const values = Object.values(set)
    const wrong = names[values.findIndex((value) => !isHeaderValue(value))]
    if (wrong) throw invalid(`${host}: the value for the header "${wrong}" has characters that no header may have`)
    const unnamed = values
      .flatMap(placeholdersIn)
      .find(({ of, name }) => of === 'identity' && !identities.includes(name))
    if (unnamed) throw invalid(`${host}: there is no identity token "${unnamed.name}"`)
    return {
      host,
      set: Object.fromEntries(names.map((name, at) => [name, values[at]!])),
      remove: remove.map((name) => readHeaderName(name, host)),
    }
  })
  const twice = read.find(({ host }, at) => read.findIndex((rule) => rule.host === host) !== at)
  if (twice) throw invalid(`there are two rules for ${twice.host}`)
  return read
}

function readHeaderName(text: string, host: string): string {
  const name = text.toLowerCase()
  if (!headerName.test(name)) throw invalid(`${host}: "${text.slice(0, 80)}" is no name of a header`)
  if (ownHeaders.has(name))
    throw invalid(`${host}: the header "${name}" cannot be changed, it belongs to the connection`)
  return name
}

export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** Throws `invalid_request` for what is no address, `forbidden` where nobody may reach it. */
export function readProxy(proxy: OutgoingProxy, opened: readonly AddressRange[]): OutgoingProxy {
  const { host, port, range } = proxyPlace(proxy)
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  if (!isPort || !(range ? range.first === range.last : plainName(host)))
    throw new WarrenError('invalid_request', `network.proxy: "${proxy.address}" is not HOST:PORT of a SOCKS 5 proxy`)
  const closed = range && floorAround(range, opened)
  if (closed)
    throw new WarrenError('forbidden', `network.proxy: ${host} is in ${closed}, which no sandbox may reach`, {
      hint: 'The operator can open a private range for all sandboxes with WARREN_EGRESS_OPEN.',
    })
  const { username = '', password = '' } = proxy
  const tooLong = [username, password].some((text) => Buffer.byteLength(text) > 255)
  if (tooLong || (password !== '' && username === ''))
    throw new WarrenError('invalid_request', 'network.proxy: a user and a password have up to 255 bytes each')
  return proxy
}

/** `range` where the host is an address. */
export function proxyPlace({ address }: OutgoingProxy): {
  host: string
  port: number
  range: AddressRange | undefined
} {
  const [, host = '', port] = /^([^:]*):(\d{1,5})$/.exec(address) ?? []
  return { host, port: Number(port), range: parseRange(host) }
}

function invalid(message: string): WarrenError {
  return new WarrenError('invalid_request', `network.rules: ${message}`)
}
