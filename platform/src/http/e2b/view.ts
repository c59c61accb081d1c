import type { LiveSandbox } from '../../sandboxes/live.ts'
import type { SealedPart } from '../../sandboxes/outgoing.ts'
import { portAccessLabel } from '../../sandboxes/port-access.ts'
import { httpsPortsOf, isInsideOpen, maskHostLabel } from '../../sandboxes/port-rules.ts'
import type { Sandbox, State } from '../../sandboxes/sandbox.ts'
import { outgoingView } from './outgoing-input.ts'
import { reachView } from './reach-input.ts'
import type { SandboxTokens } from './tokens.ts'

/** The version of E2B's own program inside sandboxes whose behaviour is offered: clients go by it. */
export const envdVersion = '0.6.13'
/** Old clients want one. It says nothing. */
const clientID = 'warren'
/** Labels of our own, which are not the caller's metadata. */
const ownLabels = 'warren.'

/** How the states of a sandbox look from here: there are two. In any other it is no more, or not yet. */
export const runningStates: readonly State[] = ['running', 'resuming']
export const pausedStates: readonly State[] = ['paused', 'pausing']

export interface ViewDeps {
  tokens: SandboxTokens
  /** Below which the ports of sandboxes have their names. */
  domain: () => string
  outgoing: (sandbox: Sandbox) => SealedPart | undefined
  /** One that runs on this machine. */
  live: (id: string) => LiveSandbox | undefined
  /** Ids of the templates of these names that there are. */
  templateIds: (accountId: string, names: readonly string[]) => Promise<Map<string, string>>
}

/** The id of what each was made of; its name where that is all there is: of `base`, and of what was removed since. */
export async function templateIdsOf({ templateIds }: ViewDeps, sandboxes: readonly Sandbox[]) {
  const names = [...new Set(sandboxes.map(({ template }) => template))].filter((name) => name !== 'base')
  const ids = sandboxes[0] ? await templateIds(sandboxes[0].accountId, names) : new Map<string, string>()
  return ({ template }: Sandbox) => ids.get(template) ?? template
}

/** The answer to a create and a connect. */
export async function startedView(deps: ViewDeps, sandbox: Sandbox) {
  const { tokens, domain } = deps
  const { id, template, metadata } = sandbox
  const templateIdOf = await templateIdsOf(deps, [sandbox])
  const isPrivate = metadata[portAccessLabel] !== 'public'
  return {
    templateID: templateIdOf(sandbox),
    sandboxID: id,
    clientID,
    alias: template,
    envdVersion,
    ...accessView(tokens, sandbox),
    trafficAccessToken: isPrivate ? tokens.traffic(id) : null,
    domain: domain(),
  }
}

export function listedView(sandbox: Sandbox, templateID: string): object {
  const { id, template, limits, createdAt, expiresAt, pausedAt } = sandbox
  return {
    templateID,
    sandboxID: id,
    clientID,
    alias: template,
    startedAt: createdAt.toISOString(),
    // Of a paused one: since when it does not run.
    endAt: (pausedAt ?? expiresAt).toISOString(),
    cpuCount: Math.max(1, Math.round(limits.cpuCores)),
    memoryMB: limits.memoryMb,
    diskSizeMB: limits.diskMb,
    metadata: ownMetadata(sandbox),
    state: pausedStates.includes(sandbox.state) ? 'paused' : 'running',
    envdVersion,
    volumeMounts: sandbox.volumes.map(({ name, path }) => ({ name, path })),
  }
}

export async function detailView(deps: ViewDeps, sandbox: Sandbox): Promise<object> {
  const https = httpsPortsOf(sandbox.metadata)
  const { internet, asked } = sandbox.network
  const templateIdOf = await templateIdsOf(deps, [sandbox])
  return {
    ...listedView(sandbox, templateIdOf(sandbox)),
    ...accessView(deps.tokens, sandbox),
    domain: deps.domain(),
    allowInternetAccess: asked ? (asked.internet ?? null) : internet,
    network: {
      allowPublicTraffic: sandbox.metadata[portAccessLabel] === 'public',
      ...reachView(sandbox.network),
      ...(sandbox.metadata[maskHostLabel] ? { maskRequestHost: sandbox.metadata[maskHostLabel] } : {}),
      ...(https.length > 0 ? { httpsPorts: https } : {}),
      ...outgoingView(deps.outgoing(sandbox)),
    },
    lifecycle: { autoResume: sandbox.lifecycle.autoResume, onTimeout: sandbox.lifecycle.onTimeout },
  }
}

/** Clients show a token, and sign addresses with it, where they were given one. */
function accessView(tokens: SandboxTokens, { id, metadata }: Sandbox): { envdAccessToken?: string } {
  return isInsideOpen(metadata) ? {} : { envdAccessToken: tokens.access(id) }
}

function ownMetadata({ metadata }: Sandbox): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !name.startsWith(ownLabels)))
}
