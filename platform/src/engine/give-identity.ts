import { randomBytes } from 'node:crypto'
import type { GuestClient } from './guest/client.ts'

/**
 * What one that goes on from a saved state must not share with others that do: fresh randomness in its kernel, and a
 * machine id of its own if it is a copy. The environment stays unless another is given. The wall clock is the host's.
 */
export async function giveIdentity(
  guest: GuestClient,
  { env, isCopy }: { env?: Record<string, string> | undefined; isCopy?: boolean },
): Promise<void> {
  await guest.configure({
    seed: randomBytes(64),
    ...(isCopy ? { machineId: randomBytes(16).toString('hex') } : {}),
    ...(env ? { env } : {}),
  })
}
