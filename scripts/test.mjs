// npm test: the checks, the guest's own tests, then every *.test.ts. Runs all of them and fails if any failed.
// `npm test -- FILE…` runs only those test files. `npm run test:full` does more of what is only sampled otherwise.
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { findCommand } from './set-up/debian-packages.mjs'
import { root } from './set-up/root.mjs'

const node = `${root}/node_modules/.bin/node`
const full = process.argv.includes('--full')
const chosen = process.argv.slice(2).filter((argument) => argument !== '--full')
const minute = 60_000
const failed = []

if (chosen.length === 0) {
  await run('checks', [node, 'scripts/check.mjs'], 5 * minute)
  const cargo = findCommand('cargo')
  const manifest = 'guest/Cargo.toml'
  if (cargo) await run('guest', [cargo, 'test', '--locked', '--release', '--manifest-path', manifest], 10 * minute)
  else console.log('test: guest: skipped, there is no cargo')
}

const files = chosen.length > 0 ? chosen : testFiles()
if (full) process.env.WARREN_TEST_FULL = 'yes'
// Much of a test's time is waiting. More at once than processors and what waits too long fails.
const atOnce = `--test-concurrency=${Math.min(availableParallelism(), 4)}`
const testing = [node, '--test', atOnce, `--test-timeout=${10 * minute}`, ...files]
await run('platform, SDK, command line', testing, (full ? 480 : 80) * minute)

if (failed.length > 0) console.error(`test: failed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0

/** In a process group of its own: a test file that spins for ever can then be ended with all that it started. */
function run(name, [command, ...args], timeoutMs) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true })
    const timer = setTimeout(() => {
      console.error(`test: ${name}: not done after ${timeoutMs / minute} minutes, ended`)
      process.kill(-child.pid, 'SIGKILL')
    }, timeoutMs)
    const interrupt = (signal) => process.kill(-child.pid, signal)
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupt)
    child.once('close', (code) => {
      clearTimeout(timer)
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, interrupt)
      if (code !== 0) failed.push(name)
      resolve()
    })
  })
}

/** The crash suite takes as long as a third of all others: begun first, it does not end last. */
function testFiles() {
  const folders = ['platform', 'sdk/ts', 'cli', 'bench', 'verify', 'scripts'].filter((folder) =>
    existsSync(`${root}/${folder}`),
  )
  return globSync(
    folders.map((folder) => `${folder}/**/*.test.ts`),
    { cwd: root },
  )
    .filter((file) => !file.includes('node_modules/'))
    .sort()
    .sort((a, b) => Number(b.includes('crash-points')) - Number(a.includes('crash-points')))
}
