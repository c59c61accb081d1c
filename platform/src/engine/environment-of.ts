import type { Rootfs } from './driver.ts'
import { looksInto } from './network/outgoing.ts'
import type { StartRequest } from './start-request.ts'
import { trustVariables } from './trust-authority.ts'

/** What every process of a sandbox starts with: what its template says, what its network needs, what was asked for. */
export function environmentOf({ network, env }: StartRequest, rootfs: Rootfs): Record<string, string> {
  return { ...rootfs.env, ...(looksInto(network?.outgoing) ? trustVariables : {}), ...env }
}
