import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface FirstStartReport {
  bench: 'first-start'
  /** Seconds from the command to `ready`, after a first program has run. */
  first: Start
  second: Start
  /** Whether this machine had them before: then the first start is not that of a newcomer. */
  prepared: { runc: boolean; cargo: boolean; npmCache: boolean }
}

interface Start {
  seconds: number
  target: number
  met: boolean
}

const repository = fileURLToPath(new URL('..', import.meta.url))

/** Clones what is committed here into a folder that nobody else may enter, and starts it there twice as the README says. */
export async function benchFirstStart({ tell }: { tell: (line: string) => void }): Promise<FirstStartReport> {
  const prepared = {
    runc: existsSync('/usr/sbin/runc') || existsSync('/usr/bin/runc'),
    cargo: existsSync('/usr/bin/cargo'),
    npmCache: existsSync(join(process.env.HOME ?? '/root', '.npm/_cacache')),
  }
  const folder = mkdtempSync(join(tmpdir(), 'warren-first-start-'))
  const clone = join(folder, 'warren')
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  try {
    tell('cloning')
    execFileSync('git', ['clone', '--quiet', '--no-hardlinks', repository, clone])
    tell('first start')
    const first = await start(clone, home, 120)
    tell('second start')
    const second = await start(clone, home, 10)
    return { bench: 'first-start', first, second, prepared }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function start(clone: string, home: string, target: number): Promise<Start> {
  const startedAt = performance.now()
  const { NODE_COMPILE_CACHE: _, ...environment } = process.env
  const child = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...environment, WARREN_HOME: home, WARREN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const ended = once(child, 'exit')
  let printed = ''
  const ready = new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      printed += data
      if (/^ready \S+$/m.test(printed)) resolve((performance.now() - startedAt) / 1000)
    })
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`npm start ended with ${code}: ${printed.slice(-500)}`)))
  })
  try {
    const seconds = await ready
    if (!/from nothing to its output in/.test(printed)) throw new Error(`no first program ran: ${printed.slice(-500)}`)
    return { seconds, target, met: seconds <= target }
  } finally {
    if (child.exitCode === null) process.kill(-child.pid!, 'SIGINT')
    await ended
  }
}

export function printFirstStart({ first, second, prepared }: FirstStartReport, load: readonly number[]): string {
  const mark = ({ met }: Start) => (met ? '✓' : '✗')
  const had = Object.entries(prepared).flatMap(([name, isThere]) => (isThere ? [name] : []))
  return [
    `${mark(first)} fresh clone to first output: ${first.seconds.toFixed(1)} s; target ${first.target} s`,
    `${mark(second)} the same, second time: ${second.seconds.toFixed(1)} s; target ${second.target} s`,
    had.length > 0 ? `this machine had before: ${had.join(', ')}` : 'this machine had nothing of what it takes',
    `load ${load.join(' ')} before`,
    '',
  ].join('\n')
}
