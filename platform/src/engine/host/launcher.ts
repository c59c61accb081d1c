import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { systemPath } from '../../lib/system-path.ts'
import { encodeFields, encodeFrame, kind } from '../guest/frames.ts'

export type StartReport = { ok: true } | { ok: false; error: string; stderr: string }

/** How long a report is waited for when nobody wants the instance any more, milliseconds. */
const abortGraceMs = 2000

interface Helper {
  process: ChildProcess
  requests: Socket
  reports: Socket
}

/**
 * Starts keepers through a small process of its own (`warren-guest launch`): forking this one, which is large, takes
 * milliseconds in which nothing else is answered. The helper holds no state; it is started anew when it has died.
 */
export class Launcher {
  readonly #guestBinary: string
  readonly #waiting = new Map<string, (report: StartReport) => void>()
  #helper: Helper | undefined

  constructor(guestBinary: string) {
    this.#guestBinary = guestBinary
  }

  /**
   * Starts `warren-guest keep` for the instance `id` and waits for its report. Rejects when `signal` has aborted, as soon
   * as the keeper has reported, or should have: only then can be found whatever has to be removed.
   */
  launch(id: string, args: readonly string[], signal: AbortSignal): Promise<StartReport> {
    signal.throwIfAborted()
    this.#helper ??= this.#start()
    const fields = args.map((argument) => [2, argument] as const)
    this.#helper.requests.write(encodeFrame(kind.launch, encodeFields([[1, id], ...fields])))
    return this.report(id, signal)
  }

  /** What the keeper of `id` reports next. */
  async report(id: string, signal: AbortSignal): Promise<StartReport> {
    const { promise, resolve, reject } = Promise.withResolvers<StartReport>()
    let grace: NodeJS.Timeout | undefined
    const abort = () => {
      grace = setTimeout(() => reject(signal.reason), abortGraceMs)
    }
    signal.addEventListener('abort', abort, { once: true })
    this.#waiting.set(id, resolve)
    try {
      this.#helper?.reports.ref()
      const report = await promise
      signal.throwIfAborted()
      return report
    } finally {
      clearTimeout(grace)
      signal.removeEventListener('abort', abort)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) this.#helper?.reports.unref()
    }
  }

  #start(): Helper {
    // In a session of its own, so that Ctrl-C in a terminal does not end it before us.
    const child = spawn(this.#guestBinary, ['launch'], {
      cwd: '/',
      detached: true,
      env: { PATH: systemPath },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const helper = { process: child, requests: child.stdin as Socket, reports: child.stdout as Socket }
    let lost = (error: string): void => {
      lost = () => {}
      this.#helper = undefined
      for (const settle of this.#waiting.values()) settle({ ok: false, error, stderr: '' })
    }
    child.once('error', (cause) => lost(`the guest binary could not be started: ${cause.message}`))
    child.once('exit', () => lost('the launcher of sandboxes has died'))
    helper.requests.on('error', () => {}) // told by its exit
    let text = ''
    helper.reports.setEncoding('utf8')
    helper.reports.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    })
    child.unref()
    helper.requests.unref()
    helper.reports.unref()
    return helper
  }

  #take(line: string): void {
    try {
      const report = JSON.parse(line) as StartReport & { id: string }
      this.#waiting.get(report.id)?.(report)
    } catch {
      // No report of ours; who waits for one is told when its time is over.
    }
  }
}
