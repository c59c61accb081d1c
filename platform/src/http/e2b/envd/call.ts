import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditLog } from '../../../audit/audit-log.ts'
import type { GuestClient } from '../../../engine/guest/client.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import type { Sandboxes } from '../../../sandboxes/sandboxes.ts'
import type { Gateway } from '../../gateway/gateway.ts'
import type { CallTimes } from '../../rpc/procedure.ts'
import type { SandboxTokens } from '../tokens.ts'
import type { Watchers } from './watchers.ts'

export interface EnvdDeps {
  sandboxes: Pick<Sandboxes, 'live' | 'liveIds' | 'sleeping' | 'wake' | 'onLeave' | 'portRules'>
  tokens: SandboxTokens
  gateway: Pick<Gateway, 'failed'>
  watchers: Watchers
  audit: AuditLog
}

/** One request that is meant for the inside of a sandbox. */
export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  requestId: string
  /** Of the client. */
  address: string
  url: Address
}

/** The target of a request. Not a URL: a client may send what is none. */
export interface Address {
  pathname: string
  searchParams: URLSearchParams
}

export function targetOf({ url = '/' }: IncomingMessage): Address {
  const [pathname, query] = url.split(/\?(.*)/s, 2)
  return { pathname: pathname!, searchParams: new URLSearchParams(query) }
}

/** Who calls a procedure, in which sandbox. */
export interface Call extends CallTimes {
  live: LiveSandbox
  guest: GuestClient
  /** As the caller named it; undefined is the default user. */
  user: string | undefined
}
