import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WarrenError } from '../../errors.ts'
import { step } from '../../lib/step.ts'
import { systemPath } from '../../lib/system-path.ts'
import { type GatewayQuestion, type GatewayReply, type Hello, inside, relayPort } from './messages.ts'

const program = fileURLToPath(new URL('gateway/main.ts', import.meta.url))
/** The clone: its program, and the packages that it uses. */
const sources = fileURLToPath(new URL('../../../../', import.meta.url))
const startMs = 10_000
const answerMs = 5000
/** Characters. It speaks with whoever is outside, so it is not believed to keep to anything. */
const longestAnswer = 4 * 1024 * 1024

export interface GatewayPlace {
  guestBinary: string
  /** Folder of its control socket. `socketDir` names it by a path short enough for one. */
  folder: string
  socketDir: string
  /** Network namespaces: where sandboxes arrive, and where connections go out (undefined: this process's). */
  routerPath: string
  /** Tells this router from an earlier one of the same path, or of none that lasts. */
  routerId: string
  uplinkPath: string | undefined
  uid: number
}

/** The connection to a gateway that runs. */
export class GatewayProcess {
  /** Known once it has said hello. */
  pid = 0
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #waiting = new Map<number, (reply: GatewayReply) => void>()
  #lastId = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    void this.closed.then(() => {
      for (const [id, settle] of this.#waiting) settle({ id, error: 'the gateway of the network has died' })
    })
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', () => {})
    socket.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n')
      text = lines.pop() ?? ''
      if (text.length > longestAnswer) socket.destroy()
      for (const line of lines) this.#take(line)
    })
    socket.unref()
  }

  /** Whether an earlier process has started one that still runs. */
  static async exists(place: GatewayPlace): Promise<boolean> {
    const earlier = await GatewayProcess.#connect(place)
    earlier?.gateway.release()
    return earlier !== undefined
  }

  /** Takes up the gateway that an earlier process started, if it runs the program of today; else starts one. */
  static async open(place: GatewayPlace): Promise<GatewayProcess> {
    const version = programVersion(place)
    const earlier = await GatewayProcess.#connect(place)
    if (earlier?.version === version) return earlier.gateway
    await earlier?.gateway.kill()
    return step('network.gateway', place.folder, () => GatewayProcess.#start(place, version))
  }

  async ask<T>(request: GatewayQuestion): Promise<T> {
    const id = ++this.#lastId
    const { promise, resolve } = Promise.withResolvers<GatewayReply>()
    this.#waiting.set(id, resolve)
    const timer = setTimeout(() => resolve({ id, error: `the gateway did not answer within ${answerMs} ms` }), answerMs)
    if (this.#socket.destroyed) resolve({ id, error: 'the gateway of the network has died' })
    else this.#socket.write(`${JSON.stringify({ ...request, id })}\n`)
    const { error, answer } = await promise
    clearTimeout(timer)
    this.#waiting.delete(id)
    if (error !== undefined) throw new WarrenError('unavailable', error)
    return answer as T
  }

  /** Lets go of it; it goes on. */
  release(): void {
    this.#socket.destroy()
  }

  async kill(): Promise<void> {
    try {
      process.kill(this.pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
    this.#socket.ref()
    await this.closed
  }

  static async #start(place: GatewayPlace, version: string): Promise<GatewayProcess> {
    const { guestBinary, folder, routerPath, uplinkPath, uid } = place
    const log = openSync(join(folder, 'gateway.log'), 'a', 0o600)
    const node = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      '--max-old-space-size=512',
      '--max-semi-space-size=8',
      // It reads its own program and starts nothing.
      ...['--permission', `--allow-fs-read=${sources}`, `--allow-fs-read=${folder}`, `--allow-fs-write=${folder}`],
    ]
    const own = ['gateway', routerPath, uplinkPath ?? '-', inside.gateway, String(relayPort)]
    const child = spawn(guestBinary, [...own, '--', ...node, program, version, String(uid), folder], {
      cwd: folder,
      detached: true,
      // Where the types have been taken out of the program once, need not be done again: that takes time and memory.
      env: { PATH: systemPath, NODE_COMPILE_CACHE: join(folder, 'compiled') },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    let ended = false
    child.once('error', () => {
      ended = true
    })
    child.once('exit', () => {
      ended = true
    })
    child.unref()
    const deadline = Date.now() + startMs
    while (!ended && Date.now() < deadline) {
      const found = await GatewayProcess.#connect(place)
      if (found && found.gateway.pid === child.pid) return found.gateway
      found?.gateway.release()
      await sleep(10)
    }
    child.kill('SIGKILL')
    const said = readFileSync(join(folder, 'gateway.log'), 'utf8').trim().split('\n').slice(-3).join(' · ')
    throw new WarrenError('unavailable', `the gateway of the network did not start${said ? `: ${said}` : ''}`)
  }

  static async #connect({
    socketDir,
  }: GatewayPlace): Promise<{ gateway: GatewayProcess; version: string } | undefined> {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect({ path: `${socketDir}/gateway.sock` })
      attempt.once('connect', () => resolve(attempt))
      attempt.once('error', () => resolve(undefined))
    })
    if (!socket) return undefined
    const gateway = new GatewayProcess(socket)
    const hello = await gateway.ask<Hello>({ verb: 'hello' }).catch(() => undefined)
    if (!hello) return void socket.destroy()
    gateway.pid = hello.pid
    return { gateway, version: hello.version }
  }

  #take(line: string): void {
    try {
      const reply = JSON.parse(line) as GatewayReply
      this.#waiting.get(reply.id)?.(reply)
    } catch {
      this.#socket.destroy()
    }
  }
}

/** Changes with everything that decides what the gateway does. */
function programVersion({ routerId, uplinkPath }: GatewayPlace): string {
  const hash = createHash('sha256').update(`${process.version} ${routerId} ${uplinkPath}`)
  for (const folder of ['.', './gateway']) {
    const path = fileURLToPath(new URL(folder, import.meta.url))
    for (const name of readdirSync(path).sort()) if (name.endsWith('.ts')) hash.update(readFileSync(join(path, name)))
  }
  return hash.digest('hex').slice(0, 16)
}
