import { type Static, Type } from 'typebox'
import type { Config } from '../config.ts'
import { parseOpened } from '../engine/network/floor.ts'
import type { GatewayStatus } from '../engine/network/messages.ts'
import { type HeaderRule, type OutgoingProxy, readHeaderRules, readProxy } from '../engine/network/outgoing.ts'
import { type NetworkPolicy, readPolicy } from '../engine/network/rules.ts'

const Rules = Type.Array(Type.String({ minLength: 1, maxLength: 300 }), { maxItems: 256 })

const policySchemas = {
  internet: Type.Boolean({ description: 'Everything but what is denied and what no sandbox may reach.' }),
  allow: {
    ...Rules,
    description:
      'What else may be reached: `93.184.216.0/24`, `example.com`, `*.example.com`, each with `:port` or `:first-last` behind it if it is to be so narrow. A name without a port means 80 and 443.',
  } as typeof Rules,
  deny: {
    ...Rules,
    description: 'As `allow`, and `:port` for a port anywhere. Goes before `allow` and `internet`.',
  } as typeof Rules,
  bandwidthMbps: Type.Number({
    minimum: 0.1,
    maximum: 100_000,
    description: 'Megabits a second in each direction; without it as much as there is.',
  }),
}

/** How it is written, for the document. */
const placeholder = '`$' + '{warren.secrets.NAME}`'
const identityPlaceholder = '`$' + '{warren.identity.NAME}`'
const HeaderNames = Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 20 })

/** What is done to what goes out, as it is asked for. Values are not shown again. */
const outgoingSchemas = {
  rules: Type.Array(
    Type.Object(
      {
        host: Type.String({
          minLength: 1,
          maxLength: 255,
          description:
            'The name `api.example.com`, or `*.example.com` for every name below it. It is not allowed by this.',
        }),
        set: Type.Optional(
          Type.Unsafe<Record<string, string>>({
            type: 'object',
            maxProperties: 20,
            additionalProperties: { type: 'string', maxLength: 8192, format: 'plain-text', writeOnly: true },
            description: `Headers to add or replace. ${placeholder} in a value stands for a secret.`,
          }),
        ),
        remove: Type.Optional({ ...HeaderNames, description: 'Headers to take away.' } as typeof HeaderNames),
      },
      { additionalProperties: false },
    ),
    { maxItems: 32, description: 'What is changed in the headers of HTTPS requests on their way out.' },
  ),
  secrets: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
    maxItems: 32,
    description: `Secrets that programs inside may send to the hosts of the secret: where a header has ${placeholder}, the value takes its place on the way out.`,
  }),
  identity: Type.Unsafe<Record<string, string>>({
    type: 'object',
    maxProperties: 5,
    propertyNames: { pattern: '^[A-Za-z0-9_-]{1,64}$' },
    additionalProperties: { type: 'string', minLength: 1, maxLength: 1024, format: 'plain-text' },
    description: `Tokens that say to others which sandbox a request comes from, by name, and whom each is for. In the value of a rule ${identityPlaceholder} stands for one.`,
  }),
  proxy: Type.Object(
    {
      address: Type.String({ minLength: 3, maxLength: 261, description: 'HOST:PORT of a SOCKS 5 proxy.' }),
      username: Type.Optional(Type.String({ maxLength: 255, format: 'plain-text' })),
      password: Type.Optional(Type.String({ maxLength: 255, format: 'plain-text', writeOnly: true })),
    },
    { additionalProperties: false, description: 'By whom connections go, instead of by the host itself.' },
  ),
}

/** The whole policy anew: what is left out is as in a sandbox whose request does not say. */
export const SetNetwork = Type.Partial(Type.Object({ ...policySchemas, ...outgoingSchemas }), {
  $id: 'SetNetwork',
  additionalProperties: false,
  description: 'What a sandbox may reach.',
})
export type SetNetwork = Static<typeof SetNetwork>

/** The same, from a door whose callers say it in other words. */
export type AskedNetwork = SetNetwork & Pick<NetworkPolicy, 'asked'>

export const NetworkView = Type.Object(
  {
    ...policySchemas,
    bandwidthMbps: Type.Optional(policySchemas.bandwidthMbps),
    rules: Type.Optional(
      Type.Array(Type.Object({ host: Type.String(), set: HeaderNames, remove: HeaderNames }), {
        description: 'Hosts whose requests are changed, and the names of the headers.',
      }),
    ),
    secrets: Type.Optional(outgoingSchemas.secrets),
    identity: Type.Optional(outgoingSchemas.identity),
    proxy: Type.Optional(Type.Object({ address: Type.String(), username: Type.Optional(Type.String()) })),
  },
  { $id: 'NetworkPolicy' },
)

const Entry = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    kind: Type.Enum(['connection', 'name'], { description: 'A connection, or a question for a name.' }),
    verdict: Type.Enum(['allowed', 'refused']),
    address: Type.Optional(Type.String()),
    port: Type.Optional(Type.Integer()),
    name: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String({ description: 'Why it was refused.' })),
    bytesSent: Type.Optional(Type.Integer({ description: 'Of a connection that has ended.' })),
    bytesReceived: Type.Optional(Type.Integer()),
    times: Type.Optional(Type.Integer({ description: 'How often the same was refused in a row.' })),
  },
  { $id: 'NetworkEntry' },
)

const Counters = Type.Object({
  bytesSent: Type.Integer(),
  bytesReceived: Type.Integer(),
  connections: Type.Integer({ description: 'That were let out.' }),
  openConnections: Type.Integer(),
  refused: Type.Integer({ description: 'Connections and questions.' }),
  questions: Type.Integer({ description: 'For names.' }),
})

export const SandboxNetwork = Type.Object(
  {
    policy: Type.Unsafe<NetworkPolicy>({ $ref: 'NetworkPolicy#' }),
    connected: Type.Boolean({ description: 'Whether the sandbox has an interface at all.' }),
    counters: Type.Optional(Counters),
    log: Type.Array(Type.Unsafe<Static<typeof Entry>>({ $ref: 'NetworkEntry#' }), {
      description: 'The last 200 connections and questions, oldest first.',
    }),
  },
  { $id: 'SandboxNetwork' },
)
export type SandboxNetwork = Static<typeof SandboxNetwork>

export const networkSchemas = [SetNetwork, NetworkView, Entry, SandboxNetwork]

/**
 * What `input` means here, and apart from it the values that are not recorded in clear. Throws `invalid_request` for a rule
 * that is none, `forbidden` for one that opens the floor.
 */
export function policyOf(
  input: AskedNetwork | undefined,
  egress: Config['egress'],
): { policy: NetworkPolicy; values?: { rules: HeaderRule[]; proxy?: OutgoingProxy } } {
  const { allow = [], deny = [], bandwidthMbps } = input ?? {}
  // Who lists what may be reached does not mean everything else as well.
  const internet = input?.internet ?? (allow.length === 0 && egress.default === 'allow')
  const identity = input?.identity ?? {}
  const policy = {
    ...{ internet, allow, deny },
    ...(bandwidthMbps === undefined ? {} : { bandwidthMbps }),
    ...(Object.keys(identity).length > 0 ? { identity } : {}),
    ...(input?.asked ? { asked: input.asked } : {}),
  }
  const opened = egress.open.map(parseOpened)
  readPolicy(policy, opened)
  const asked = (input?.rules ?? []).map(({ host, set = {}, remove = [] }) => ({ host, set, remove }))
  const rules = readHeaderRules(asked, Object.keys(identity))
  const secrets = [...new Set((input?.secrets ?? []).map((name) => name.toLowerCase()))]
  const proxy = input?.proxy && readProxy(input.proxy as OutgoingProxy, opened)
  if (rules.length === 0 && secrets.length === 0 && !proxy) return { policy }
  const shown = {
    ...(rules.length > 0 ? { rules: rules.map((rule) => ({ ...rule, set: Object.keys(rule.set) })) } : {}),
    ...(secrets.length > 0 ? { secrets } : {}),
    ...(proxy ? { proxy: withoutPassword(proxy) } : {}),
  }
  return { policy: { ...policy, ...shown }, values: { rules, ...(proxy ? { proxy } : {}) } }
}

function withoutPassword({ password: _, ...proxy }: OutgoingProxy): Omit<OutgoingProxy, 'password'> {
  return proxy
}

export function networkOf(policy: NetworkPolicy, status: GatewayStatus | undefined): SandboxNetwork {
  return {
    policy,
    connected: status !== undefined,
    ...(status ? { counters: status.counters } : {}),
    log: status?.log ?? [],
  }
}
