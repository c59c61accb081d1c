import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(import.meta.url)

/** A door to a server that listens on the loopback of the network namespace `network`: its address there becomes one here. */
export async function openDoor(network: string, url: string): Promise<{ url: string; close(): void }> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-door-'))
  const socketPath = join(folder, 'door.sock')
  const argv = [`--net=${network}`, process.execPath, program, socketPath, new URL(url).port]
  const inner: ChildProcess = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise((resolve) => inner.stdout!.once('data', resolve))
  const outer = createServer((socket) => splice(socket, connect({ path: socketPath })))
  await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve))
  outer.unref()
  inner.unref()
  const { port } = outer.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      outer.close()
      inner.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function splice(one: ReturnType<typeof connect>, other: ReturnType<typeof connect>): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.pipe(to)
  }
}

if (process.argv[1] === program) {
  const [socketPath, port] = process.argv.slice(2)
  // Ends with whoever started it.
  process.stdin.on('end', () => process.exit()).resume()
  createServer((socket) => splice(socket, connect(Number(port), '127.0.0.1'))).listen(socketPath, () =>
    console.log('open'),
  )
}
