// npm test: the checks, the guest's own tests, then every *.test.ts. Runs all of them and fails if any failed.
// `npm test -- FILE…` runs only those test files. `npm run test:full` does more of what is only sampled otherwise.
import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { findCommand } from './set-up/debian-packages.mjs'
import { root } from './set-up/root.mjs'

const node = `${root}/node_modules/.bin/node`
const full = process.argv.includes('--full')
const chosen = process.argv.slice(2).filter((argument) => argument !== '--full')
const minute = 60_000
/** So many files in which something failed are run once more. */
const mostAgain = 3
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
await testAll()

if (failed.length > 0) console.error(`test: failed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0

/**
 * A file that fails beside others is run once more by itself: on a shared machine a wait can be too short that is long enough alone.
 * What passes then is told of as unsteady, which is a defect of the test or of what it tests.
 */
async function testAll() {
  const name = 'platform, SDK, command line'
  const folder = mkdtempSync(join(tmpdir(), 'warren-tests-'))
  const list = join(folder, 'failed')
  const told = { stdout: 'spec', [list]: `${root}/scripts/failed-files.mjs` }
  const reporters = Object.entries(told).flatMap(([to, by]) => [
    `--test-reporter=${by}`,
    `--test-reporter-destination=${to}`,
  ])
  // Much of a test's time is waiting. More at once than processors and what waits too long fails.
  const atOnce = Math.min(availableParallelism(), 4)
  const code = await run(name, testing(atOnce, [...reporters, ...files]), (full ? 480 : 80) * minute)
  const again = existsSync(list)
    ? readFileSync(list, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((file) => relative(root, file))
    : []
  rmSync(folder, { recursive: true })
  // With another code it did not come to its end.
  if (code !== 1 || chosen.length > 0 || again.length === 0 || again.length > mostAgain) return
  if (!again.every((file) => files.includes(file))) return

  failed.pop()
  const named = again.join(', ')
  console.log(`test: failed beside others, run once more by itself: ${named}`)
  if ((await run(`${name}, once more`, testing(1, again), 20 * minute)) === 0)
    console.log(`test: unsteady, to be mended: ${named}`)
}

function testing(atOnce, more) {
  return [node, '--test', `--test-concurrency=${atOnce}`, `--test-timeout=${10 * minute}`, ...more]
}

/** Answers its exit code. In a process group of its own: a test file that spins for ever can then be ended with all that it started. */
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
      resolve(code)
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
