import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'

/** Why there is no Redis on this machine; undefined where there is one. */
export const noRedis =
  spawnSync('redis-server', ['--version']).status === 0 ? undefined : 'redis-server is not installed'

/** A Redis of a test's own, on a free port of loopback. */
export interface RedisServer {
  url: string
  /** Ends it, or only lets it stand still. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again at the same address, empty. */
  start(): Promise<void>
  /** What it answers to one command, as it stands on the wire. */
  ask(command: string): Promise<string>
}

export async function startRedis(): Promise<RedisServer & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-redis-'))
  const port = await freePort()
  let child: ChildProcess
  const server = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
      child = spawn('redis-server', settings.map(String), { stdio: ['ignore', 'pipe', 'inherit'] })
      let told = ''
      for await (const chunk of child.stdout!) {
        told += chunk
        if (told.includes('Ready to accept connections')) break
      }
      child.stdout!.resume()
    },
    async kill(signal: NodeJS.Signals) {
      const gone = once(child, 'exit')
      child.kill(signal)
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await gone
    },
    async ask(command: string) {
      const socket = net.connect(port, '127.0.0.1')
      socket.write(`${command}\r\n`)
      const [answer] = await once(socket, 'data')
      socket.destroy()
      return String(answer)
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await server.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}
