import { type Static, Type } from 'typebox'
import type { SetNetwork } from '../../sandboxes/network.ts'
import type { SealedPart } from '../../sandboxes/outgoing.ts'
import { Refusal } from './refusal.ts'

const strict = { additionalProperties: false }
const OrNull = <T extends object>(schema: T) => Type.Unsafe<unknown>({ anyOf: [{ type: 'null' }, schema] })
const HeaderValue = Type.String({ maxLength: 8192, format: 'plain-text', writeOnly: true })

/** By domain; a list with one rule each. */
const Rules = Type.Record(
  Type.String({ maxLength: 255 }),
  Type.Array(
    Type.Object(
      {
        transform: Type.Optional(
          Type.Object({ headers: Type.Optional(Type.Record(Type.String({ maxLength: 128 }), HeaderValue)) }, strict),
        ),
      },
      strict,
    ),
    { maxItems: 1 },
  ),
)
const EgressProxy = Type.Object(
  {
    address: Type.String({ minLength: 1, maxLength: 261 }),
    username: Type.Optional(Type.String({ maxLength: 255, format: 'plain-text' })),
    password: Type.Optional(Type.String({ maxLength: 255, format: 'plain-text', writeOnly: true })),
  },
  strict,
)

/** What is done to requests on their way out, as E2B's clients ask for it. */
export const outgoingFields = {
  rules: Type.Optional(OrNull(Rules)),
  egressProxy: Type.Optional(OrNull(EgressProxy)),
}

const most = { domains: 10, headers: 20 }

export function outgoingInput(network: {
  rules?: unknown
  egressProxy?: unknown
}): Pick<SetNetwork, 'rules' | 'proxy'> {
  const rules = Object.entries((network.rules ?? {}) as Static<typeof Rules>)
  const proxy = network.egressProxy as Static<typeof EgressProxy> | null | undefined
  if (rules.length > most.domains)
    throw new Refusal(400, `"rules" takes up to ${most.domains} domains, not ${rules.length}`)
  const read = rules.map(([host, [rule]]) => ({ host, set: rule?.transform?.headers ?? {} }))
  const many = read.find(({ set }) => Object.keys(set).length > most.headers)
  if (many)
    throw new Refusal(400, `"rules" takes up to ${most.headers} headers for a domain, and ${many.host} has more`)
  return { ...(read.length > 0 ? { rules: read } : {}), ...(proxy ? { proxy } : {}) }
}

/** The same as it was asked for, without the password. */
export function outgoingView(outgoing: SealedPart | undefined): object {
  if (!outgoing) return {}
  const { rules, proxy } = outgoing
  return {
    ...(rules.length > 0
      ? { rules: Object.fromEntries(rules.map(({ host, set }) => [host, [{ transform: { headers: set } }]])) }
      : {}),
    ...(proxy
      ? { egressProxy: { address: proxy.address, ...(proxy.username ? { username: proxy.username } : {}) } }
      : {}),
  }
}
