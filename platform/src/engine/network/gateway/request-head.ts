import { plainName } from '../rules.ts'
import { changeHeaders, NotSent } from './change-headers.ts'
import type { Connection, Traffic } from './traffic.ts'

export type Headers = Record<string, string | string[]>

/** Meant for one hop: of no concern to the server, or said anew. */
export const hopByHop: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'upgrade', 'expect'],
])

/** The name of `host` or `host:port`, if the port is that of the connection. */
export function nameOf(host: string, port: number): string | undefined {
  const [, name = '', named] = /^([^:]*)(?::(\d+))?$/.exec(host) ?? []
  return named === undefined || Number(named) === port ? plainName(name) : undefined
}

/** The headers of a request as they go out, to `secured` where they are looked into; why they may not, if so. */
export function changedFor(
  headers: Headers,
  { outgoing }: Pick<Traffic, 'outgoing'>,
  secured: string | undefined,
): Headers | NotSent {
  if (secured === undefined || !outgoing) return headers
  try {
    return changeHeaders(headers, outgoing, secured)
  } catch (error) {
    if (error instanceof NotSent) return error
    throw error
  }
}

/** A line in the log for one request of a connection that goes on. */
export function tellRefused(
  { traffic, connection }: { traffic: Traffic; connection: Connection },
  reason: string,
): void {
  const { entry, name } = connection
  const { at: _, bytesSent: __, bytesReceived: ___, ...rest } = entry
  traffic.refused({ ...rest, at: new Date().toISOString(), reason, ...(name ? { name } : {}) })
}
