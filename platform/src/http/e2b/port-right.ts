import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Caller, Principal } from '../../accounts/principal.ts'
import { authorize } from '../../accounts/roles.ts'
import type { Instance } from '../../engine/engine.ts'
import { WarrenError } from '../../errors.ts'
import type { LiveSandbox } from '../../sandboxes/live.ts'
import type { PortAccess } from '../../sandboxes/port-access.ts'
import type { PortRules } from '../../sandboxes/port-rules.ts'
import type { Sandbox } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { credentialsOf } from '../credentials.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { Refusal, sandboxNotFound } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

export interface PortRight {
  instance: Instance
  rules: PortRules
  /** By what the request came in: with a key, it is kept from the program, and failures are told as the platform tells them. */
  by: 'key' | 'token' | 'public'
  /** Who showed the key. */
  principal?: Principal
}

interface PortRightDeps {
  sandboxes: Sandboxes
  gateway: Gateway
  tokens: SandboxTokens
}

/**
 * By what right a request reaches a port of a sandbox: the key of its owner, the sandbox's token, or none because
 * its ports are open to everybody. Throws when there is none.
 */
export async function portRight(
  deps: PortRightDeps,
  { id, needsKey }: { id: string; needsKey: boolean },
  request: Pick<IncomingMessage, 'headers' | 'socket'>,
): Promise<PortRight> {
  const { sandboxes, tokens } = deps
  const { headers } = request
  const asked = await accountOf(deps, request, needsKey)
  if ('account' in asked) {
    const instance = await sandboxes.running({ account: asked.account, id })
    const rules = await sandboxes.portRules({ id, accountId: asked.account.id, instance })
    return { instance, rules, by: 'key', principal: asked.principal }
  }

  if (needsKey) throw asked.refusal

  const found = sandboxes.live(id) ?? (await sandboxes.sleeping(id))
  if (!found) throw credentialsOf(headers).key === undefined ? sandboxNotFound(id) : asked.refusal
  const rules = await sandboxes.portRules(found)
  let by: PortRight['by']
  try {
    by = rightWithoutKey(tokens, { id, access: rules.access, refusal: asked.refusal }, headers)
  } catch (refusal) {
    if ((asked.refusal as WarrenError).code === 'limit_exceeded') throw asked.refusal
    const isGuess = ['x-access-token', 'e2b-traffic-access-token'].some((name) => headers[name] !== undefined)
    throw isGuess ? await deps.gateway.failed({ request }, refusal) : refusal
  }
  // Only whoever has a right to it wakes a sandbox.
  const { instance } = 'instance' in found ? found : await wokenFor(sandboxes, found)
  return { instance, rules, by }
}

function rightWithoutKey(
  tokens: SandboxTokens,
  { id, access, refusal }: { id: string; access: PortAccess; refusal: unknown },
  headers: IncomingHttpHeaders,
): 'token' | 'public' {
  if (tokens.isAccess(id, text(headers['x-access-token']))) return 'token'
  if (access === 'public') return 'public'
  const shown = text(headers['e2b-traffic-access-token'])
  if (access === 'token' && tokens.isTraffic(id, shown)) return 'token'
  if (access === 'key') throw refusal
  const fault = shown === undefined ? 'is missing' : 'is wrong'
  throw new Refusal(403, `the header e2b-traffic-access-token ${fault}: the ports of this sandbox are private`, {
    sandboxId: id,
  })
}

/** Resumes a sandbox for what came in for it. Throws what the edge says where there is none any more. */
export async function wokenFor(sandboxes: Pick<Sandboxes, 'wake'>, sleeping: Sandbox): Promise<LiveSandbox> {
  try {
    return await sandboxes.wake(sleeping)
  } catch (error) {
    const { code } = error instanceof WarrenError ? error : {}
    if (code === 'not_found' || code === 'conflict') throw sandboxNotFound(sleeping.id)
    if (code === 'limit_exceeded') throw new Refusal(429, (error as Error).message, { sandboxId: sleeping.id })
    throw error
  }
}

/** A key may be meant for the program behind the port: one that is not ours is no reason to refuse at once. */
async function accountOf(
  { gateway }: PortRightDeps,
  request: Pick<IncomingMessage, 'headers' | 'socket'>,
  needsKey: boolean,
): Promise<Caller | { refusal: unknown }> {
  try {
    const { account, principal } = await (needsKey ? gateway.admit({ request }) : gateway.recognise({ request }))
    authorize(principal, 'sandboxes:exec')
    return { account, principal }
  } catch (refusal) {
    return { refusal }
  }
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
