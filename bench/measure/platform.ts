import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from './client.ts'

const main = fileURLToPath(new URL('../../platform/src/main.ts', import.meta.url))
/** As `npm start` runs it: without, V8 keeps up to 128 MiB for objects that are about to be forgotten. */
const nodeOptions = ['--max-semi-space-size=8']
/** Also as `npm start`: the C library keeps fewer arenas and gives back more of what is free. */
const lessMemory = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072' }
const readyMs = 120_000
/** Where set-up lays gVisor: for the platform, or for the tests. */
const toolFolders = [
  `${process.env.WARREN_HOME || '/var/lib/warren'}/tools`,
  fileURLToPath(new URL('../../.cache/tools', import.meta.url)),
]

/** What a platform makes of the host's programs for microVMs, which takes minutes. */
const cacheFolder = fileURLToPath(new URL('../../.cache/host', import.meta.url))

/** A server to measure. Where it is one of ours, also its process and its folder. */
export interface Platform {
  url: string
  apiKey: string | undefined
  own?: { pid: number; home: string }
  /** Removes every sandbox, stops the server and deletes its folder, if it is one of ours. */
  stop(): Promise<void>
}

/** Lets the platform of a fresh folder have gVisor, a kernel for guests and what else set-up fetched, wherever it was laid. */
export async function withTools(home: string): Promise<void> {
  await mkdir(join(home, 'tools'))
  const tools = toolFolders
    .filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  const byName = new Map(tools.reverse().map((path) => [basename(path), path]))
  for (const [name, path] of byName) await symlink(path, join(home, 'tools', name))
  await mkdir(cacheFolder, { recursive: true })
  await symlink(cacheFolder, join(home, 'cache'))
}

/** The real platform in a process of its own, in a fresh folder that `prepare` may fill, on a free port. */
export async function startPlatform(
  settings: Record<string, string> = {},
  prepare: (home: string) => Promise<void> = async () => {},
): Promise<Platform> {
  const home = await mkdtemp(join(tmpdir(), 'warren-bench-'))
  await prepare(home)
  const environment = {
    ...{ WARREN_LOG_LEVEL: 'warn', WARREN_MAX_SANDBOXES: '2000', ...settings },
    ...{ WARREN_HOME: home, WARREN_PORT: '0' },
  }
  const { child, url } = await serve(environment)
  const apiKey = (await readFile(join(home, 'admin.key'), 'utf8')).trim()
  let stopped: Promise<void> | undefined
  return {
    url,
    apiKey,
    own: { pid: child.pid!, home },
    stop: () => {
      stopped ??= cleanUp()
      return stopped
    },
  }

  async function cleanUp(): Promise<void> {
    await end(child)
    // A server of its own clears up: Ctrl-C in a terminal has ended the measured one already.
    const sweeper = await serve({ ...environment, WARREN_POOL_SIZE: '0' })
    try {
      await removeAll({ url: sweeper.url, apiKey })
    } finally {
      await end(sweeper.child)
    }
    await rm(home, { recursive: true, force: true })
  }
}

/** A server that runs already. What the bench makes there it removes as it goes. */
export function existingPlatform(url: string): Platform {
  return { url: url.replace(/\/+$/, ''), apiKey: process.env.WARREN_API_KEY, stop: async () => {} }
}

async function serve(environment: Record<string, string>): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [...nodeOptions, main], {
    env: { ...process.env, ...lessMemory, WARREN_TEMPLATES: 'on-demand', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout! })
  const ready = new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const found = /^ready (http:\S+)/.exec(line)
      if (found) resolve(found[1]!)
    })
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`the platform ended with ${code} before it was ready`)))
    setTimeout(() => reject(new Error(`the platform was not ready within ${readyMs} ms`)), readyMs).unref()
  })
  return { child, url: (await ready).replace(/\/+$/, '') }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function removeAll(server: { url: string; apiKey: string | undefined }): Promise<void> {
  const client = await Client.open(server)
  for (const { id } of await client.list()) await client.remove(id)
  client.close()
}
