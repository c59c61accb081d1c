import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../../errors.ts'
import type { DriverInstance, InstanceDir } from '../../driver.ts'
import { GuestClient } from '../../guest/client.ts'

/** Waits until the agent inside answers. Rejects with the last words of a machine that has ended instead. */
export async function agentAnswers(
  instance: DriverInstance,
  dir: InstanceDir,
  withinMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { defaultUser } = instance
  const guest = new GuestClient(instance.agent, { defaultUser, wasOutOfMemory: async () => false })
  const late = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
  const ended = instance.exited.then(async () => {
    throw new WarrenError('unavailable', `the machine ended at once: ${await lastWords(dir)}`)
  })
  ended.catch(() => {})
  for (;;) {
    try {
      return await Promise.race([guest.ping(late), ended])
    } catch {
      if (signal.aborted) throw signal.reason
      if (late.aborted) throw new WarrenError('timeout', `the guest did not come up within ${withinMs} ms`)
      // A broken connection may be its end, of which we hear a moment later.
      await Promise.race([ended, sleep(5)])
    }
  }
}

/** What the machine or its monitor said last. */
async function lastWords(dir: InstanceDir): Promise<string> {
  const said = await readFile(`${dir.path}/console.log`, 'utf8').catch(() => '')
  return said.trim().split('\n').slice(-2).join(' · ').slice(-500) || 'it said nothing'
}
