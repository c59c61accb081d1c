import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { text } from '../messages.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** As `npm start` has it: compiled code is kept, and the C library keeps fewer arenas and gives back more of what is free. */
const surroundings = { NODE_COMPILE_CACHE: '.cache/node', MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072' }

export function addUp(program: Command): void {
  program.command('up').description(text.up).action(up)
}

async function up(): Promise<void> {
  process.exitCode =
    (await runNode('scripts/set-up.mjs')) || (await runNode('--max-semi-space-size=8', 'platform/src/main.ts'))
}

/** Runs a script of this clone in the foreground. Signals of the terminal reach it by themselves; others are passed on. */
function runNode(...args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, ...surroundings },
      stdio: 'inherit',
    })
    process.on('SIGINT', () => {})
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}
