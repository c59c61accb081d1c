import type { SealedPart } from '../../sandboxes/outgoing.ts'
import { portAccessLabel } from '../../sandboxes/port-access.ts'
import { httpsPortsOf, isInsideOpen, maskHostLabel } from '../../sandboxes/port-rules.ts'
import type { Sandbox, State } from '../../sandboxes/sandbox.ts'
import { outgoingView } from './outgoing-input.ts'
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
}

/** The answer to a create and a connect. */
export function startedView({ tokens, domain }: ViewDeps, sandbox: Sandbox): object {
  const { id, template, metadata } = sandbox
  const isPrivate = metadata[portAccessLabel] !== 'public'
  return {
    templateID: template,
    sandboxID: id,
    clientID,
    alias: template,
    envdVersion,
    ...accessView(tokens, sandbox),
    trafficAccessToken: isPrivate ? tokens.traffic(id) : null,
    domain: domain(),
  }
}

export function listedView(sandbox: Sandbox): object {
  const { id, template, limits, createdAt, expiresAt, pausedAt } = sandbox
  return {
    templateID: template,
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

export function detailView(deps: ViewDeps, sandbox: Sandbox): object {
  const https = httpsPortsOf(sandbox.metadata)
  return {
    ...listedView(sandbox),
    ...accessView(deps.tokens, sandbox),
    domain: deps.domain(),
    allowInternetAccess: sandbox.network.internet,
    network: {
      allowPublicTraffic: sandbox.metadata[portAccessLabel] === 'public',
      allowOut: sandbox.network.allow,
      ...(sandbox.metadata[maskHostLabel] ? { maskRequestHost: sandbox.metadata[maskHostLabel] } : {}),
      ...(https.length > 0 ? { httpsPorts: https } : {}),
      denyOut: [...(sandbox.network.internet ? [] : ['0.0.0.0/0']), ...sandbox.network.deny],
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
