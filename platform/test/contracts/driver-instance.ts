import type { DriverInstance } from '../../src/engine/driver.ts'
import { GuestClient } from '../../src/engine/guest/client.ts'

export function clientOf(instance: DriverInstance): GuestClient {
  return new GuestClient(instance.agent, { defaultUser: instance.defaultUser, wasOutOfMemory: async () => false })
}

/** Runs a command line inside to its end. */
export async function runIn(guest: GuestClient, command: string, user?: string) {
  const process = await guest.exec({ argv: ['/bin/sh', '-c', command], ...(user ? { user } : {}) })
  let stdout = ''
  let stderr = ''
  for await (const { stream, data } of process.output()) {
    if (stream === 'stdout') stdout += data.toString()
    else stderr += data.toString()
  }
  return { stdout, stderr, exit: await process.exit }
}

/** What `attempt` answers once it stops rejecting. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
