import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../../errors.ts'
import { newId } from '../../../lib/id.ts'
import { unlessOutOfResources } from '../../../lib/out-of-resources.ts'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
import type { CheckpointToken, InstanceDir } from '../../driver.ts'
import { GuestClient } from '../../guest/client.ts'
import type { Besides, Checkpoint } from '../../host/keeper-instance.ts'
import { bootIdName, keepBootId } from './boot-id.ts'

const deadlineMs = 60_000
/** In the instance's folder while its programs stand still: says with which token they go on. */
const marker = 'standing'

/** gVisor saves itself: its kernel's state and the memory of its programs, as files. `command` is runsc with its options. */
export function runscCheckpoint(id: string, dir: InstanceDir, command: [string, ...string[]]): Checkpoint {
  const run = async (...args: string[]) => {
    const ended = await runCommand([...command, ...args], { timeoutMs: deadlineMs })
    if (!ended.ok) throw new WarrenError('unavailable', `runsc ${args[0]} ${ended.failure}`)
  }
  let isPaused = false
  const goOn = async (token?: CheckpointToken) => {
    const known = token ?? (await readFile(`${dir.path}/${marker}`, 'utf8').catch(() => undefined))
    if (known === undefined) return
    await step('snapshot.go_on', id, async () => {
      await allowListening(dir, known)
      // Nobody knows how far an earlier process of ours had come.
      if (isPaused || token === undefined)
        await run('resume', id).catch((error: WarrenError) => {
          // It had not been stopped yet.
          if (!/not paused|cannot resume|in state running/.test(error.message)) throw error
        })
      isPaused = false
      await rm(`${dir.path}/${marker}`, { force: true })
    })
  }
  const checkpoint = (into: string) => run('checkpoint', ...options, '-image-path', into, id)
  /** Standing still for no longer than the saving takes: whether the disk was copied by then. */
  const saveInOneGo = async (into: string, token: CheckpointToken, besides: Besides): Promise<boolean> => {
    const saving = Promise.allSettled([checkpoint(into)])
    let ended = false
    void saving.then(() => (ended = true))
    while (!ended && !(await sizeOf(`${into}/${stateFile}`))) await sleep(1)
    const [copied] = ended ? [] : await Promise.allSettled([besides.copyDisk()])
    const inTime = copied?.status === 'fulfilled' && !ended && (await sizeOf(`${into}/${pagesFile}`)) === 0
    if (inTime) besides.diskIsCopied(token)
    const [saved] = await saving
    if (saved.status === 'rejected') throw saved.reason
    if (copied?.status === 'rejected') throw copied.reason
    return inTime
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
        signal.throwIfAborted()
        await step('snapshot.keep_boot_id', id, () => keepBootId(dir, into))
        if (besides && (await saveInOneGo(into, token, besides))) return token
        await step('snapshot.begin_again', id, () => emptied(into))
        // It would go on right after the checkpoint, before its disk is copied.
        isPaused = true
        await run('pause', id)
        signal.throwIfAborted()
        // Programs write by descriptors of the host, so their files are what they wrote as soon as they stand still.
        const work = [checkpoint(into), besides?.copyDisk().then(() => besides.diskIsCopied(token))]
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
      const calls = (await readdir(`${dir.path}/host`).catch(unlessOutOfResources([]))).filter(isCall)
      if (calls.length > 0)
        await step('snapshot.heard', id, async () => {
          for (const call of calls) await rm(`${dir.path}/host/${call}`, { force: true })
        })
    },
  }
}

/** Compressing takes ten times as long as writing. */
const options = ['-compression', 'none', '-exclude-committed-zero-pages', '-leave-running']
/** Made empty before all stands still. The state begins to be written when it does, and has ended when the first page is. */
const [stateFile, pagesFile] = ['checkpoint.img', 'pages.img']

/** Undefined for what is not there. */
async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(unlessOutOfResources(undefined)))?.size
}

async function emptied(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name !== bootIdName) await rm(`${folder}/${name}`, { recursive: true })
}

/** Tells the agents that carry this token to make their sockets again. */
export async function allowListening(dir: InstanceDir, token: CheckpointToken): Promise<void> {
  await writeFile(`${dir.path}/host/${calling}${token}`, '', { mode: 0o644 })
}

const calling = 'listen-'

function isCall(name: string): boolean {
  return name.startsWith(calling)
}
