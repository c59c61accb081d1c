import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chown, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openDoor } from './network/door.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
/** gVisor, as a newcomer has it after `npm start`; with WARREN_TEST_TOOLS=no the tests run on what the system itself has. */
const tools = fileURLToPath(new URL('../../.cache/tools', import.meta.url))
const cache = fileURLToPath(new URL('../../.cache/host', import.meta.url))
const withTools = process.env.WARREN_TEST_TOOLS !== 'no' && existsSync(tools)

/** A whole platform in a folder and on a port of its own: real server, real database, real sandboxes. */
export interface Platform {
  readonly url: string
  readonly port: number
  readonly key: string
  readonly home: string
  readonly pid: number
  /** The process itself; it takes messages where a module was preloaded. */
  readonly process: ChildProcess
  /** What it wrote to its standard error so far. */
  log(): string
  /** A request with the key. `body` goes as JSON unless it is bytes. */
  call(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Reply>
  /** A request without the key. */
  fetch(path: string, init?: RequestInit): Promise<Reply>
  /** As `call`, for an answer that must be a success: its JSON. */
  json<T = Answer>(method: string, path: string, body?: unknown, init?: RequestInit): Promise<T>
  /** Starts a sandbox; answers its path, `/v1/sandboxes/ID`. */
  sandbox(input?: object): Promise<string>
  /** Ends the process, by a signal or by SIGKILL, and waits until it is gone. Sandboxes live on. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again in the same folder. */
  start(more?: Record<string, string>): Promise<void>
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field, and a wrong one fails the test
export type Answer = any

export type Reply = { json(): Promise<Answer> } & Response

/** Another user and another network namespace for it to run in. Only root can start it so. */
interface Elsewhere {
  uid: number
  network: string
}

interface Preload {
  /** Loaded into the platform's process before anything else. */
  module: string
  onMessage: (message: unknown) => void
}

/**
 * Starts a platform for the tests of one file and takes everything of it away afterwards. It finds what the set-up fetched
 * for tests, and so has every runtime of this machine, unless `hasTools` is false.
 */
export async function startPlatform(
  env: Record<string, string> = {},
  {
    preload,
    elsewhere,
    hasTools = withTools,
    prepare,
  }: {
    preload?: Preload
    elsewhere?: Elsewhere
    hasTools?: boolean
    /** Called with its folder before the first start. */
    prepare?: (home: string) => Promise<void>
  } = {},
): Promise<Platform> {
  const home = await mkdtemp(join(tmpdir(), 'warren-test-'))
  await prepare?.(home)
  if (hasTools) await symlink(tools, join(home, 'tools'))
  if (elsewhere) await chown(home, elsewhere.uid, elsewhere.uid)
  // What microVMs see of the host's programs takes minutes to make: once for all tests.
  await mkdir(cache, { recursive: true })
  await symlink(cache, join(home, 'cache'))
  let child: ChildProcess
  let door: Awaited<ReturnType<typeof openDoor>> | undefined
  let url = ''
  let key = ''
  let log = ''

  const start = async (more: Record<string, string> = {}) => {
    const argv = [...placed(elsewhere), process.execPath, ...(preload ? ['--import', preload.module] : []), main]
    child = spawn(argv[0]!, argv.slice(1), {
      env: {
        ...process.env,
        WARREN_POOL_SIZE: '2',
        WARREN_TEMPLATES: 'on-demand',
        WARREN_LOG_LEVEL: 'warn',
        WARREN_PORT: '0',
        ...env,
        ...more,
        WARREN_HOME: home,
      },
      stdio: ['ignore', 'pipe', 'pipe', ...(preload ? ['ipc' as const] : [])],
    })
    child.stderr!.on('data', (chunk) => {
      log += chunk
    })
    if (preload) child.on('message', preload.onMessage)
    url = await readyAddress(child, () => log)
    door?.close()
    door = elsewhere && (await openDoor(elsewhere.network, url))
    url = door?.url ?? url
    key = (await readFile(join(home, 'admin.key'), 'utf8')).trim()
  }

  const platform: Platform = {
    get url() {
      return url
    },
    get port() {
      return Number(new URL(url).port)
    },
    get key() {
      return key
    },
    get pid() {
      return child.pid!
    },
    get process() {
      return child
    },
    home,
    log: () => log,
    start,
    fetch: (path, init) => fetch(url + path, init),
    call: (method, path, body, init = {}) => {
      const isRaw =
        body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream
      return fetch(url + path, {
        method,
        ...(body === undefined ? {} : { body: isRaw ? (body as RequestInit['body']) : JSON.stringify(body) }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
        ...init,
        headers: {
          'x-api-key': key,
          ...(isRaw ? {} : { 'content-type': 'application/json' }),
          ...(init.headers as object),
        },
      })
    },
    json: async (method, path, body, init) => {
      const response = await platform.call(method, path, body, init)
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return text ? JSON.parse(text) : undefined
    },
    sandbox: async (input = {}) => `/v1/sandboxes/${(await platform.json('POST', '/v1/sandboxes', input)).id}`,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill(signal)
      await gone
    },
  }

  // A worker answers its platform alone, which takes away what that has.
  const isWorker = env.WARREN_NODE === 'worker'
  after(async () => {
    try {
      const isRunning = child.exitCode === null && child.signalCode === null
      if (!isWorker && (!isRunning || !(await removeSandboxes(platform).catch(() => false)))) {
        await platform.kill('SIGTERM')
        await start({ WARREN_POOL_SIZE: '0' })
        await removeSandboxes(platform)
      }
      // A stop takes away what nobody owns. Then nothing may be left.
      await platform.kill('SIGTERM')
      await until('its processes are gone', () => processesOf(home).length === 0).catch((error) => {
        throw new Error(`left behind: ${processesOf(home).map((pid) => commandLine(pid))}`, { cause: error })
      })
    } finally {
      door?.close()
      killAll()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    }
  })
  const killAll = () => {
    child.kill('SIGKILL')
    // A keeper takes its sandbox along when it is asked to end.
    for (const pid of processesOf(home)) end(pid, commandLine(pid).includes('\0keep\0') ? 'SIGTERM' : 'SIGKILL')
  }
  // Also when a test file breaks off before its end, or the runner gives up on it.
  process.once('exit', killAll)
  process.once('SIGTERM', () => process.exit(1))
  await start()
  return platform
}

/** A request that is the same one when it is sent again. */
export function keyed(key: string): { headers: Record<string, string> } {
  return { headers: { 'idempotency-key': key } }
}

/** What the sandboxes of this host lack, each with the reason by which tests of it are skipped; false where nothing does. */
export async function lacksOf(
  platform: Platform,
): Promise<Record<'root' | 'memoryLimit' | 'hostKernel', string | false>> {
  const path = await platform.sandbox()
  const { runtime } = await platform.json('GET', path)
  const { oomKills } = await platform.json('GET', `${path}/metrics`)
  await platform.call('DELETE', path)
  return {
    root: runtime.isolation === 'namespaces' && `there is no root in a sandbox of ${runtime.driver}`,
    memoryLimit: oomKills === undefined && 'no control groups can be made here, so nothing limits memory',
    hostKernel: runtime.isolation === 'userspace-kernel' && `a sandbox of ${runtime.driver} has a kernel of its own`,
  }
}

function placed(elsewhere: Elsewhere | undefined): string[] {
  if (!elsewhere) return []
  const identity = [`--reuid=${elsewhere.uid}`, `--regid=${elsewhere.uid}`, '--clear-groups']
  return ['nsenter', `--net=${elsewhere.network}`, 'setpriv', ...identity]
}

/** Waits until `holds` answers something true, and answers that. Fails with `what` after `withinMs`. */
export async function until<T>(what: string, holds: () => T | Promise<T>, withinMs = 30_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const value = await holds()
    if (value) return value as NonNullable<T>
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(25)
  }
}

/** The processes on this host that name `home` in their command line: keepers, runtimes, the database. */
export function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => commandLine(pid).includes(home))
    .map(Number)
}

/** Folders of the instances whose keepers wait for the word to start them. */
export function held(home: string): string[] {
  return processesOf(home).flatMap((pid) => {
    const [, verb, , folder, option] = commandLine(pid).split('\0')
    return verb === 'keep' && option === '--hold' && !existsSync(join(folder!, 'state.json')) ? [folder!] : []
  })
}

/** Its words, each ended by a zero byte; nothing of one that has gone. */
export function commandLine(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // gone in the meantime
  }
}

function end(pid: number, signal: NodeJS.Signals): void {
  if (existsSync(`/proc/${pid}`)) process.kill(pid, signal)
}

/** False when one could not be removed. */
async function removeSandboxes(platform: Platform): Promise<boolean> {
  const { sandboxes } = await platform.json('GET', '/v1/sandboxes?limit=1000')
  const answers = await Promise.all(
    sandboxes.map(({ id }: { id: string }) => platform.call('DELETE', `/v1/sandboxes/${id}`)),
  )
  return answers.every(({ status }) => status === 204 || status === 404)
}

function readyAddress(child: ChildProcess, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout!.on('data', (chunk) => {
      text += chunk
      const ready = /^ready (\S+)$/m.exec(text)
      if (ready) resolve(ready[1]!)
    })
    child.once('exit', (code, signal) =>
      reject(new Error(`the platform ended (${code ?? signal}) before it was ready:\n${text}\n${log()}`)),
    )
  })
}
