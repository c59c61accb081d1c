import { coversHost, type Outgoing, secretsIn } from '../engine/network/outgoing.ts'
import type { NetworkPolicy } from '../engine/network/rules.ts'
import { WarrenError } from '../errors.ts'
import type { Seal } from '../lib/seal.ts'
import type { RevealedSecret } from '../secrets/secret.ts'
import { type AskedNetwork, policyOf } from './network.ts'
import type { SandboxDeps } from './sandboxes.ts'

export interface OutgoingDeps {
  /** Whether the sandboxes of an account have sent all that they may today. */
  isEgressUsedUp: (accountId: string) => Promise<boolean>
  seal: Seal
  /** Those of these secrets of an account that there are. */
  revealSecrets: (accountId: string, names: readonly string[]) => Promise<RevealedSecret[]>
  /** Throws `unavailable` where nobody could check such tokens. */
  checkIdentity: () => void
  /** A token that says to `audience` which sandbox it comes from. */
  mintIdentity: (bearer: { sandboxId: string; accountId: string }, audience: string) => string
}

/** What a policy has values for: as it is recorded, sealed. */
export type SealedPart = Pick<Outgoing, 'rules' | 'proxy'>

type PolicyDeps = OutgoingDeps & Pick<SandboxDeps, 'config'>

/**
 * What `input` means, ready to be recorded. Throws as `policyOf` does, `invalid_request` for a secret that is not there,
 * `forbidden` for one that may not go where a rule sends it, `unavailable` for identity tokens that nobody could check.
 */
export async function recordedPolicy(
  deps: PolicyDeps,
  accountId: string,
  input: AskedNetwork | undefined,
): Promise<NetworkPolicy> {
  const { policy, values } = policyOf(input, deps.config.egress)
  if (policy.identity) deps.checkIdentity()
  if (!values) return policy
  await checkSecrets(deps, accountId, { rules: values.rules, inside: policy.secrets ?? [] })
  return { ...policy, sealed: deps.seal.close(JSON.stringify(values), subjectOf(accountId)) }
}

/**
 * The recorded policy of a sandbox with the values that it needs, for the engine alone; shut when what may be sent today is
 * used up. Whatever is put in force comes from here.
 */
export async function armedPolicy(
  deps: OutgoingDeps,
  {
    id,
    accountId,
    network: { sealed, asked: _, ...policy },
  }: { id: string; accountId: string; network: NetworkPolicy },
): Promise<NetworkPolicy> {
  const shut = (await deps.isEgressUsedUp(accountId)) ? { shut: true as const } : {}
  if (sealed === undefined) return { ...policy, ...shut }
  const values = openSealed(deps, accountId, sealed)
  const inside = policy.secrets ?? []
  const secrets = await deps.revealSecrets(accountId, namesIn({ ...values, inside }))
  const identities = Object.entries(policy.identity ?? {}).map(([name, audience]) => [
    name,
    deps.mintIdentity({ sandboxId: id, accountId }, audience),
  ])
  return { ...policy, ...shut, outgoing: { ...values, inside, secrets, identities: Object.fromEntries(identities) } }
}

/** Whether a secret is used by a recorded policy. */
export function usesSecret(deps: OutgoingDeps, accountId: string, policy: NetworkPolicy, name: string): boolean {
  if (policy.sealed === undefined) return false
  return namesIn({ ...openSealed(deps, accountId, policy.sealed), inside: policy.secrets ?? [] }).includes(name)
}

export function openSealed({ seal }: Pick<OutgoingDeps, 'seal'>, accountId: string, sealed: string): SealedPart {
  return JSON.parse(seal.open(sealed, subjectOf(accountId))) as SealedPart
}

async function checkSecrets(
  { revealSecrets }: OutgoingDeps,
  accountId: string,
  { rules, inside }: Pick<Outgoing, 'rules' | 'inside'>,
): Promise<void> {
  const found = await revealSecrets(accountId, namesIn({ rules, inside }))
  const hostsOf = (name: string) => {
    const secret = found.find((one) => one.name === name)
    if (secret) return secret.hosts
    throw new WarrenError('invalid_request', `network: there is no secret "${name}"`, {
      hint: 'Keep it first: warren secret create, POST /v1/secrets.',
    })
  }
  for (const name of inside) {
    if (hostsOf(name).length > 0) continue
    throw new WarrenError('invalid_request', `network.secrets: the secret "${name}" has no hosts it may be sent to`, {
      hint: 'Give it some: warren secret update, PUT /v1/secrets.',
    })
  }
  for (const { host, set } of rules) {
    for (const name of Object.values(set).flatMap(secretsIn)) {
      const hosts = hostsOf(name)
      if (hosts.length > 0 && !coversHost(hosts, host))
        throw new WarrenError('forbidden', `network.rules: the secret "${name}" may not be sent to ${host}`, {
          hint: `It may be sent to: ${hosts.join(', ')}`,
        })
    }
  }
}

function namesIn({ rules, inside }: Pick<Outgoing, 'rules' | 'inside'>): string[] {
  const placed = rules.flatMap(({ set }) => Object.values(set).flatMap(secretsIn))
  return [...new Set([...placed, ...inside])]
}

function subjectOf(accountId: string): string {
  return `network ${accountId}`
}
