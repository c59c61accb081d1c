import type { Driver, DriverInstance, InstanceSpec } from '../../src/engine/driver.ts'
import { GuestClient } from '../../src/engine/guest/client.ts'
import type { Bench } from './engine-bench.ts'

export function clientOf(instance: DriverInstance): GuestClient {
  return new GuestClient(instance.agent, { defaultUser: instance.defaultUser, wasOutOfMemory: async () => false })
}

/** The first instance of a driver, for a suite to try; or the reason why this host has none. */
export async function firstInstance(
  bench: Bench,
  driver: Driver,
): Promise<{ reason: string } | { spec: InstanceSpec; instance: DriverInstance; guest: GuestClient }> {
  const examined = await driver.examine()
  if (!examined.usable) return { reason: examined.reason }
  const spec = await bench.newSpec(driver)
  await driver.prepare?.(spec)
  const deadline = AbortSignal.timeout(driver.bootDeadlineMs ?? 20_000)
  const instance = await driver.create(spec, bench.store.dir(spec.id), deadline)
  return { spec, instance, guest: clientOf(instance) }
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
