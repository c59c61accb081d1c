import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { WarrenError } from '../../../errors.ts'
import { newId } from '../../../lib/id.ts'
import { unlessOutOfResources } from '../../../lib/out-of-resources.ts'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
import type { CheckpointToken, InstanceDir } from '../../driver.ts'
import { GuestClient } from '../../guest/client.ts'
import type { Checkpoint } from '../../host/keeper-instance.ts'

const deadlineMs = 60_000
/** In the instance's folder while its programs stand still: says with which token they go on. */
const marker = 'standing'

/** gVisor saves itself: its kernel's state and the memory of its programs, as files. `command` is runsc with its options. */
export function runscCheckpoint(id: string, dir: InstanceDir, command: [string, ...string[]]): Checkpoint {
  const run = async (...args: string[]) => {
    const ended = await runCommand([...command, ...args], { timeoutMs: deadlineMs })
    if (!ended.ok) throw new WarrenError('unavailable', `runsc ${args[0]} ${ended.failure}`)
  }
  const goOn = async (token?: CheckpointToken) => {
    const known = token ?? (await readFile(`${dir.path}/${marker}`, 'utf8').catch(() => undefined))
    if (known === undefined) return
    await step('snapshot.go_on', id, async () => {
      await allowListening(dir, known)
      await run('resume', id).catch((error: WarrenError) => {
        // It had not been stopped yet.
        if (!/not paused|cannot resume|in state running/.test(error.message)) throw error
      })
      await rm(`${dir.path}/${marker}`, { force: true })
    })
  }
  return {
    async save(agentSocket, into, signal, besides) {
      const token = newId('c')
      await step('snapshot.stand_still', id, () => writeFile(`${dir.path}/${marker}`, token, { mode: 0o600 }))
      try {
        const guest = new GuestClient(
          { socketPath: agentSocket },
          { defaultUser: '', wasOutOfMemory: async () => false },
        )
        // With a socket of the host it cannot be saved.
        await guest.suspend(token, signal)
        // It would go on right after the checkpoint, before its disk is copied.
        await run('pause', id)
        signal.throwIfAborted()
        // Programs write by descriptors of the host, so their files are what they wrote as soon as they stand still.
        const work = [run('checkpoint', ...options, '-image-path', into, id), besides?.(token)]
        // What fails is undone when nothing is at work any more.
        await Promise.allSettled(work)
        await Promise.all(work)
        return token
      } catch (error) {
        await goOn(token)
        throw error
      }
    },
    goOn,
    async listens() {
      const calls = await readdir(`${dir.path}/host`).catch(unlessOutOfResources([]))
      if (calls.length > 0)
        await step('snapshot.heard', id, async () => {
          for (const call of calls) await rm(`${dir.path}/host/${call}`, { force: true })
        })
    },
  }
}

/** Compressing takes ten times as long as writing. */
const options = ['-compression', 'none', '-exclude-committed-zero-pages', '-leave-running']

/** Tells the agents that carry this token to make their sockets again. */
export async function allowListening(dir: InstanceDir, token: CheckpointToken): Promise<void> {
  await writeFile(`${dir.path}/host/listen-${token}`, '', { mode: 0o644 })
}
