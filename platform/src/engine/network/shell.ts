import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { systemPath } from '../../lib/system-path.ts'

const timeoutMs = 30_000
/** Characters of what a script says that are kept, for when it fails. */
const keptLength = 4096
/** Begins the line that tells how a script ended. */
const mark = '\u001e'
const endOfInput = 'END_OF_WARREN_INPUT'

interface Script {
  /** For `sh`; ends at the first command that fails. */
  text: string
  arguments?: readonly string[]
  /** Its standard input. */
  input?: string
}

interface Running {
  process: ChildProcess
  requests: Socket
  reports: Socket
}

/**
 * Runs scripts one after the other in a shell that stays: forking this process, which is large, takes milliseconds in which
 * nothing else is answered. The shell ends with this process, after the script that it is at; one that died is started anew.
 */
export class Shell {
  readonly #command: readonly [string, ...string[]]
  #running: Running | undefined
  #said = ''
  #settle: ((failure: string) => void) | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(command: readonly [string, ...string[]]) {
    this.#command = command
  }

  /** Rejects with what the script said last when it fails. */
  run(script: Script): Promise<void> {
    const done = this.#last.then(() => this.#run(script))
    this.#last = done.catch(() => {})
    return done
  }

  /** Waits for the scripts that were given. */
  async close(): Promise<void> {
    await this.#last
    this.#running?.requests.end()
    this.#running = undefined
  }

  async #run({ text, arguments: given = [], input = '' }: Script): Promise<void> {
    this.#running ??= this.#start()
    const { requests, reports } = this.#running
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#said = ''
    this.#settle = resolve
    const timer = setTimeout(() => {
      resolve(`did not end within ${timeoutMs} ms`)
      this.#kill()
    }, timeoutMs)
    reports.ref()
    requests.write(
      `( set -eu\nset -- ${given.map(quoted).join(' ')}\n${text}\n) 2>&1 <<'${endOfInput}'\n${input}\n${endOfInput}\n` +
        `printf '${mark}%s\\n' $?\n`,
    )
    const failure = await promise
    clearTimeout(timer)
    this.#settle = undefined
    this.#running?.reports.unref()
    if (failure !== '') throw new Error(failure)
  }

  #start(): Running {
    const [program, ...args] = this.#command
    // In a session of its own, so that Ctrl-C in a terminal does not end it before us.
    const child = spawn(program, args, {
      cwd: '/',
      detached: true,
      env: { PATH: systemPath },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const running = { process: child, requests: child.stdin as Socket, reports: child.stdout as Socket }
    const lost = (why: string) => {
      if (this.#running === running) this.#running = undefined
      running.reports.destroy()
      this.#settle?.(why)
    }
    child.once('error', ({ message }) => lost(`could not be started: ${message}`))
    child.once('exit', () => lost('was killed'))
    running.requests.on('error', () => {}) // told by its exit
    running.reports.setEncoding('utf8')
    running.reports.on('data', (chunk: string) => this.#take(chunk))
    child.unref()
    running.requests.unref()
    running.reports.unref()
    return running
  }

  #take(chunk: string): void {
    this.#said = (this.#said + chunk).slice(-keptLength)
    const at = this.#said.lastIndexOf(mark)
    if (at < 0 || !this.#said.endsWith('\n')) return
    const status = this.#said.slice(at + mark.length, -1)
    const lastLine = this.#said.slice(0, at).trim().split('\n').at(-1)
    const said = lastLine ? `: ${lastLine.slice(0, 500)}` : ''
    this.#settle?.(status === '0' ? '' : `ended with exit code ${status}${said}`)
  }

  /** With all that its script has started. */
  #kill(): void {
    const { process: child } = this.#running ?? {}
    this.#running = undefined
    if (child?.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
