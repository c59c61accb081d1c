import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../free-port.ts'

const fetched = join(import.meta.dirname, '../../../.cache/tools/docker-registry')
const program = [fetched, '/usr/bin/docker-registry'].find((path) => existsSync(path))
export const noRegistry = program ? false : 'there is no docker-registry (Debian: docker-registry)'

/** What the registry of `withPassword` takes: bcrypt is all it knows, and Node does not. */
export const user = { username: 'tester', password: 'let me in' }
const htpasswd = 'tester:$2b$04$ju3gmoZEbdd4ZemB3UD50uQeWtgcRuD.vkshl2Zqq/NvZaIZMs0de\n'

export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  host: string
  url: string
  close(): Promise<void>
}

/** Debian's docker-registry on loopback, with a folder of its own. */
export async function startRegistry({ withPassword = false } = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-registry-'))
  const host = `127.0.0.1:${await freePort()}`
  await writeFile(join(folder, 'htpasswd'), htpasswd)
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: host, secret: 'of a test' },
    ...(withPassword ? { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } } : {}),
  }
  // JSON is YAML too.
  await writeFile(join(folder, 'config.yml'), JSON.stringify(settings))
  const child = spawn(program!, ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  const url = `http://${host}`
  const close = async () => {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${url}/v2/`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer) return { host, url, close }
    if (child.exitCode !== null || tries > 200) {
      await close()
      throw new Error(`docker-registry does not start: ${said}`)
    }
    await sleep(50)
  }
}
