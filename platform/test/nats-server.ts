import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'

// Debian puts it where an ordinary user's PATH does not lead.
const program = ['nats-server', '/usr/sbin/nats-server'].find((path) => spawnSync(path, ['--version']).status === 0)

/** Why there is no NATS on this machine; undefined where there is one. */
export const noNats = program ? undefined : 'nats-server is not installed'

/** A NATS of a test's own with JetStream, on a free port of loopback. */
export interface NatsServer {
  url: string
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again at the same address, with what it stored. */
  start(): Promise<void>
  /** While it does not run. */
  loseStore(): Promise<void>
}

export async function startNats(): Promise<NatsServer & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-nats-'))
  const port = await freePort()
  const settings = join(folder, 'nats.conf')
  await writeFile(
    settings,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}/store" }
authorization { user: "warren", password: "p@ss" }\n`,
  )
  let child: ChildProcess
  const server = {
    url: `nats://warren:p%40ss@127.0.0.1:${port}`,
    async start() {
      child = spawn(program!, ['--config', settings], { stdio: ['ignore', 'ignore', 'pipe'] })
      let told = ''
      const ready = new Promise<void>((resolve, reject) => {
        child.stderr!.on('data', (chunk) => {
          told += chunk
          if (told.includes('Server is ready')) resolve()
        })
        child.once('exit', () => reject(new Error(`nats-server ended:\n${told}`)))
      })
      await ready
    },
    async kill(signal: NodeJS.Signals) {
      const gone = once(child, 'exit')
      child.kill(signal)
      await gone
    },
    loseStore: () => rm(join(folder, 'store'), { recursive: true, force: true }),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await server.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}
