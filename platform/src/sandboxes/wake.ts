import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from '../accounts/account.ts'
import type { Instance } from '../engine/engine.ts'
import { WarrenError } from '../errors.ts'
import { checkHere } from './check-here.ts'
import { extendSandbox } from './extend.ts'
import { getSandbox } from './get.ts'
import { wokenSeconds } from './lifecycle.ts'
import { type LiveSandbox, liveSandbox } from './live.ts'
import { resumeSandbox } from './resume.ts'
import { notRunning } from './running.ts'
import type { ResumeSandbox, Sandbox } from './sandbox.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

const inBetween = ['starting', 'pausing', 'resuming']
const deadlineMs = 120_000
const pollMs = 25

/**
 * A sandbox that runs, whatever it did before: one that is paused is resumed, one that runs lives at least `timeout` seconds from
 * now, one that is between two states is waited for. Says whether it was this call that resumed it.
 */
export async function connectSandbox(
  deps: SandboxDeps,
  subject: Subject,
  input: ResumeSandbox & { timeout: number },
): Promise<{ sandbox: Sandbox; resumed: boolean }> {
  const { account, id } = subject
  for (const deadline = performance.now() + deadlineMs; performance.now() < deadline; await sleep(pollMs)) {
    const { state } = await getSandbox(deps, account, id)
    if (inBetween.includes(state)) continue
    if (state !== 'running' && state !== 'paused') break
    try {
      if (state === 'running') return { sandbox: await extendSandbox(deps, subject, input.timeout), resumed: false }
      return { sandbox: await resumeSandbox(deps, subject, input), resumed: true }
    } catch (error) {
      // Somebody else was faster: what it is now is looked at again.
      const now = await getSandbox(deps, account, id)
      if (!(error instanceof WarrenError && error.code === 'conflict') || now.state === state) throw error
    }
  }
  throw await notRunning(deps, account, id)
}

/**
 * Whether whatever comes in for a sandbox resumes it: files alone are not woken. One that runs may have been resumed a moment ago,
 * and be there for us in the next.
 */
export function isWokenByTraffic({ state, memory, lifecycle }: Sandbox): boolean {
  if (!lifecycle.autoResume) return false
  return state === 'running' || state === 'resuming' || state === 'pausing' || (state === 'paused' && memory !== 'none')
}

/** As `runningInstance`, for work inside: a paused sandbox that resumes by itself is woken for it. */
export async function wokenInstance(deps: SandboxDeps, account: Account, id: string): Promise<Instance> {
  const live = deps.live.get(id)
  if (live?.accountId === account.id) return live.instance
  await checkHere(deps, { account, id })
  const sandbox = await getSandbox(deps, account, id)
  if (isWokenByTraffic(sandbox)) return (await wakeSandbox(deps, sandbox)).instance
  throw await notRunning(deps, account, id)
}

/** A sandbox, whoever owns it, that is paused and resumes by itself. The caller must have shown a right to it before it wakes it. */
export async function sleepingSandbox({ store }: SandboxDeps, id: string): Promise<Sandbox | undefined> {
  const sandbox = await store.findOfAny(id)
  return sandbox && isWokenByTraffic(sandbox) ? sandbox : undefined
}

const waking = new WeakMap<SandboxDeps, Map<string, Promise<LiveSandbox>>>()

/** Resumes a sandbox for what came in for it; all that comes in meanwhile waits for the same. */
export function wakeSandbox(deps: SandboxDeps, sandbox: Sandbox): Promise<LiveSandbox> {
  const all = waking.get(deps) ?? new Map<string, Promise<LiveSandbox>>()
  waking.set(deps, all)
  const { id } = sandbox
  const work = all.get(id) ?? wake(deps, sandbox).finally(() => all.delete(id))
  all.set(id, work)
  return work
}

async function wake(deps: SandboxDeps, { id, accountId, lifecycle }: Sandbox): Promise<LiveSandbox> {
  const subject = { account: await deps.accountOf(accountId), id }
  // What is being paused may turn out to keep its files alone.
  for (;;) {
    const sandbox = await getSandbox(deps, subject.account, id)
    if (!isWokenByTraffic(sandbox)) throw await notRunning(deps, subject.account, id)
    if (sandbox.state !== 'pausing') break
    await sleep(pollMs)
  }
  await connectSandbox(deps, subject, { timeout: wokenSeconds(lifecycle) })
  const live = liveSandbox(deps, id)
  if (live) return live
  throw await notRunning(deps, subject.account, id)
}
