import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { orAborted } from '../lib/or-aborted.ts'
import type { Driver, DriverInstance, Fingerprint, InstanceDir, InstanceSpec } from './driver.ts'
import { GuestClient } from './guest/client.ts'

/**
 * Boots one instance and runs a program in it, for looking is not enough: a device may exist and never boot a guest.
 * Always answers, at the latest after `deadlineMs` and what has to be prepared once, and soon when `closing` aborts; leaves nothing behind.
 * What only emulates is booted when it was `asked` for: nobody else would get it.
 */
export async function fingerprint(
  driver: Driver,
  probe: { spec: InstanceSpec; dir: InstanceDir },
  { deadlineMs, asked, closing }: { deadlineMs: number; asked: boolean; closing?: AbortSignal },
): Promise<Fingerprint> {
  // Nothing of an instance is there yet: when all closes, the work is left to itself.
  const examined = await orAborted(driver.examine(), closing)
  if (!examined.usable) return { healthy: false, reason: examined.reason }
  if (examined.emulated && !asked) {
    const reason = `${examined.description}; is booted when "${driver.isolation}" is asked for`
    return { healthy: false, reason, untried: true }
  }
  if (driver.prepare) await orAborted(driver.prepare(probe.spec), closing)

  const late = AbortSignal.timeout(deadlineMs)
  const signal = closing ? AbortSignal.any([late, closing]) : late
  const startedAt = performance.now()
  try {
    const instance = await driver.create(probe.spec, probe.dir, signal)
    try {
      const guest = new GuestClient(instance.agent, {
        defaultUser: instance.defaultUser,
        wasOutOfMemory: async () => false,
      })
      const program = await guest.exec({ argv: ['/bin/true'] }, signal)
      for await (const _ of program.output());
      const exit = await program.exit
      if (exit.exitCode !== 0)
        return {
          healthy: false,
          reason: `booted, but /bin/true ended with ${exit.exitCode ?? `signal ${exit.signal}`}`,
        }
      const bootMs = Math.round((performance.now() - startedAt) * 10) / 10
      const reason = `${examined.description}, booted in ${bootMs} ms`
      const { disk } = instance
      return { healthy: true, reason, bootMs, disk, ...(examined.emulated ? { emulated: true } : {}) }
    } catch (error) {
      const said = await lastWords(instance, probe.dir)
      throw said ? new Error(`it ended at once: ${said}`, { cause: error }) : error
    } finally {
      await instance.destroy()
    }
  } catch (error) {
    const reason = late.aborted ? `did not boot within ${deadlineMs} ms` : (error as Error).message
    return { healthy: false, reason: `${examined.description}: ${reason}` }
  }
}

/** What a runtime that has ended already said on its console: the reason why nobody answers. */
async function lastWords(instance: DriverInstance, dir: InstanceDir): Promise<string> {
  const ended = await Promise.race([instance.exited.then(() => true), sleep(200, false)])
  if (!ended) return ''
  const said = await readFile(`${dir.path}/console.log`, 'utf8').catch(() => '')
  return said.trim().split('\n').slice(-2).join(' · ').slice(0, 500)
}
