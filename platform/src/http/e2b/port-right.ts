import type { IncomingHttpHeaders } from 'node:http'
import type { Account } from '../../accounts/account.ts'
import type { Authenticate } from '../../accounts/authenticate.ts'
import type { Instance } from '../../engine/engine.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { credentialsOf } from '../credentials.ts'
import { Refusal, sandboxNotFound } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

export interface PortRight {
  instance: Instance
  /** By what the request came in: with a key, it is kept from the program, and failures are told as the platform tells them. */
  by: 'key' | 'token' | 'public'
}

interface PortRightDeps {
  sandboxes: Sandboxes
  authenticate: Authenticate
  tokens: SandboxTokens
}

/**
 * By what right a request reaches a port of a sandbox: the key of its owner, the sandbox's token, or none because
 * its ports are open to everybody. Throws when there is none.
 */
export async function portRight(
  deps: PortRightDeps,
  { id, needsKey }: { id: string; needsKey: boolean },
  headers: IncomingHttpHeaders,
): Promise<PortRight> {
  const { sandboxes, tokens } = deps
  const asked = await accountOf(deps, headers)
  if ('account' in asked) return { instance: await sandboxes.running({ account: asked.account, id }), by: 'key' }

  if (needsKey) throw asked.refusal

  const live = sandboxes.live(id)
  if (!live) throw credentialsOf(headers).key === undefined ? sandboxNotFound(id) : asked.refusal
  const { instance } = live
  if (tokens.isAccess(id, text(headers['x-access-token']))) return { instance, by: 'token' }
  const access = await sandboxes.portAccess(live)
  if (access === 'public') return { instance, by: 'public' }
  const shown = text(headers['e2b-traffic-access-token'])
  if (access === 'token' && tokens.isTraffic(id, shown)) return { instance, by: 'token' }
  if (access === 'key') throw asked.refusal
  const fault = shown === undefined ? 'is missing' : 'is wrong'
  throw new Refusal(403, `the header e2b-traffic-access-token ${fault}: the ports of this sandbox are private`, {
    sandboxId: id,
  })
}

/** A key may be meant for the program behind the port: one that is not ours is no reason to refuse at once. */
async function accountOf(
  { authenticate }: PortRightDeps,
  headers: IncomingHttpHeaders,
): Promise<{ account: Account } | { refusal: unknown }> {
  try {
    return { account: await authenticate(credentialsOf(headers)) }
  } catch (refusal) {
    return { refusal }
  }
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
