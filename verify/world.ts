import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readlinkSync, rmSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Finding } from './case.ts'
import { findingOf } from './cell.ts'
import { type Place, probeBinary } from './place.ts'
import { WeakDoor } from './weak-door.ts'

/** What the battery puts on the host for attempts to find: files, a process, sockets, each with a token nobody can guess. */
export interface World {
  root: boolean
  /** What only somebody who reached the host can tell. */
  token: string
  /** Name of the host's pid namespace. */
  hostPidNamespace: string
  /** A file with the token, and one that nobody may change. */
  folder: string
  secretFile: string
  untouchedFile: string
  /** `WARREN_HOME` of the platform that is attacked. */
  home: string
  /** A process whose command line holds `mark` and whose environment holds the token. */
  process: { pid: number; mark: string }
  /** Greets with the token on both loopback addresses. */
  port: number
  unixSocket: string
  abstractSocket: string
  /** A server that does everything wrong, as control of the attempts at the door. */
  weakDoor: WeakDoor
  control: Place
  /** Runs the probe as a plain process of the host. */
  onHost(words: string[], options?: HostRun): Promise<Finding>
  close(): Promise<void>
}

export interface HostRun {
  /** What starts it, as `env` or `nice` do. */
  before?: string[]
  /** A copy of the probe. */
  program?: string
  /** Gives it one descriptor too many. */
  leakDescriptor?: boolean
  user?: number
}

export async function openWorld(control: Place, home: string): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-verify-host-'))
  const token = `token-${randomBytes(16).toString('hex')}`
  const mark = `warren-verify-${randomBytes(8).toString('hex')}`
  const secretFile = join(folder, 'secret')
  const untouchedFile = join(folder, 'untouched')
  await writeFile(secretFile, token, { mode: 0o600 })
  await writeFile(untouchedFile, 'untouched', { mode: 0o600 })
  const victim = spawn(probeBinary, ['hold', '3600'], { argv0: mark, env: { SECRET: token }, stdio: 'ignore' })
  const clear = () => {
    victim.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', clear) // also when it is interrupted
  const unixSocket = join(folder, 'socket')
  const abstractSocket = `@${mark}`
  const servers = [net.createServer(greet), net.createServer(greet), net.createServer(greet), net.createServer(greet)]
  const [version4, version6, path, abstract] = servers as [net.Server, net.Server, net.Server, net.Server]
  const port = await listening(version4, { host: '127.0.0.1', port: 0 })
  await listening(version6, { host: '::1', port }).catch(() => 0) // a host without IPv6
  await listening(path, { path: unixSocket })
  await listening(abstract, { path: `\0${mark}` })
  const weakDoor = await WeakDoor.open(token)

  return {
    root: process.getuid?.() === 0,
    token,
    hostPidNamespace: readlinkSync('/proc/self/ns/pid'),
    folder,
    secretFile,
    untouchedFile,
    home,
    process: { pid: victim.pid!, mark },
    port,
    unixSocket,
    abstractSocket,
    weakDoor,
    control,
    onHost: (words, options) => runOnHost(words, options),
    async close() {
      for (const server of servers) server.close()
      await weakDoor.close()
      process.off('exit', clear)
      clear()
    },
  }

  function greet(socket: net.Socket): void {
    socket.on('error', () => {})
    socket.end(token)
  }
}

/** Whether the host's file is as it was made; it is put right again. */
export async function wasTouched({ untouchedFile }: World): Promise<boolean> {
  const text = await readFile(untouchedFile, 'utf8').catch(() => 'gone')
  await writeFile(untouchedFile, 'untouched', { mode: 0o600 })
  return text !== 'untouched'
}

function runOnHost(words: string[], options: HostRun = {}): Promise<Finding> {
  const { before = [], program = probeBinary, leakDescriptor = false, user } = options
  const [command, ...rest] = [...before, program, ...words]
  const identity = user === undefined ? {} : { uid: user, gid: user }
  return new Promise((resolve, reject) => {
    const extra = leakDescriptor ? (['pipe'] as const) : []
    const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'pipe', ...extra], timeout: 30_000, ...identity })
    const told = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream]!.on('data', (chunk) => {
        told[stream] += chunk
      })
    child.once('error', reject)
    child.once('close', () => {
      try {
        resolve(findingOf(told.stdout, `${words.join(' ')} on the host: ${told.stderr}`))
      } catch (error) {
        reject(error)
      }
    })
  })
}

function listening(server: net.Server, where: net.ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
}
