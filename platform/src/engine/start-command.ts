import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../errors.ts'
import type { Instance } from './instance.ts'
import { loginShell } from './login-shell.ts'

/** A program that runs in a sandbox from its beginning, and how to know that it serves. */
export interface StartCommand {
  command?: string
  /** Asked again and again until it succeeds. Without it nobody waits. */
  ready?: string
}

interface StartOptions {
  /** How long it may take until it is ready, milliseconds. */
  patienceMs: number
  /** Pause between two questions, milliseconds. */
  everyMs: number
  /** Told of what the program writes, while this runs. */
  onOutput?: (stream: 'stdout' | 'stderr', data: Buffer) => void
}

/** Starts the program, which goes on by itself, and returns when it is ready. Throws `unavailable` when it never is. */
export async function runStartCommand(
  instance: Instance,
  { command, ready }: StartCommand,
  options: StartOptions,
  signal: AbortSignal,
): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(options.patienceMs)])
  let ended: number | null | undefined
  const stop = new AbortController()
  if (command) {
    const process = await instance.guest.exec({ argv: loginShell(command) }, signal)
    stop.signal.addEventListener('abort', () => process.detach(), { once: true })
    const watched = async () => {
      for await (const { stream, data } of process.output()) options.onOutput?.(stream, data)
      ended = (await process.exit).exitCode
    }
    void watched().catch(() => {})
  }
  try {
    while (ready) {
      const isReady = await succeeds(instance, ready, until)
      // One that puts itself into the background ends well. What is ready without it, such as a pause, says nothing of it.
      if (ended) throw new WarrenError('unavailable', `the start command ended with exit code ${ended}`)
      if (isReady) return
      if (until.aborted) break
      await sleep(options.everyMs, undefined, { signal: until }).catch(() => {})
    }
    signal.throwIfAborted()
    if (ready)
      throw new WarrenError(
        'unavailable',
        `the ready command did not succeed within ${options.patienceMs / 1000} seconds`,
        {
          hint: `It is: ${ready.slice(0, 200)}`,
        },
      )
  } finally {
    stop.abort()
  }
}

async function succeeds({ guest }: Instance, ready: string, signal: AbortSignal): Promise<boolean> {
  try {
    const process = await guest.exec({ argv: loginShell(ready), timeoutMs: 60_000 }, signal)
    const giveUp = () => process.detach()
    signal.addEventListener('abort', giveUp, { once: true })
    for await (const _ of process.output());
    signal.removeEventListener('abort', giveUp)
    return (await process.exit).exitCode === 0
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}
