import { type Static, Type } from 'typebox'
import type { Config } from '../config.ts'
import { parseOpened } from '../engine/network/floor.ts'
import type { GatewayStatus } from '../engine/network/messages.ts'
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

/** The whole policy anew: what is left out is as in a sandbox whose request does not say. */
export const SetNetwork = Type.Partial(Type.Object(policySchemas), {
  $id: 'SetNetwork',
  additionalProperties: false,
  description: 'What a sandbox may reach.',
})
export type SetNetwork = Static<typeof SetNetwork>

export const NetworkView = Type.Object(
  { ...policySchemas, bandwidthMbps: Type.Optional(policySchemas.bandwidthMbps) },
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

/** What `input` means here. Throws `invalid_request` for a rule that is none, `forbidden` for one that opens the floor. */
export function policyOf(input: SetNetwork | undefined, egress: Config['egress']): NetworkPolicy {
  const { allow = [], deny = [], bandwidthMbps } = input ?? {}
  // Who lists what may be reached does not mean everything else as well.
  const internet = input?.internet ?? (allow.length === 0 && egress.default === 'allow')
  const policy = { internet, allow, deny, ...(bandwidthMbps === undefined ? {} : { bandwidthMbps }) }
  readPolicy(policy, egress.open.map(parseOpened))
  return policy
}

export function networkOf(policy: NetworkPolicy, status: GatewayStatus | undefined): SandboxNetwork {
  return {
    policy,
    connected: status !== undefined,
    ...(status ? { counters: status.counters } : {}),
    log: status?.log ?? [],
  }
}
