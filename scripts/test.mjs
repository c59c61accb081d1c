// npm test: the checks, the guest's own tests, then every *.test.ts. Runs all of them and fails if any failed.
// `npm test -- FILE…` runs only those test files.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { findCommand } from './set-up/debian-packages.mjs'
import { root } from './set-up/root.mjs'

const node = `${root}/node_modules/.bin/node`
const chosen = process.argv.slice(2)
const failed = []

if (chosen.length === 0) {
  run('checks', node, ['scripts/check.mjs'])
  const cargo = findCommand('cargo')
  if (!existsSync(`${root}/guest/Cargo.toml`)) console.log('test: guest: skipped, it is not in this clone')
  else if (cargo) run('guest', cargo, ['test', '--locked', '--release', '--manifest-path', 'guest/Cargo.toml'])
  else console.log('test: guest: skipped, there is no cargo')
}

const files = chosen.length > 0 ? chosen : testFiles()
run('platform, SDK and command line', node, ['--test', '--test-timeout=600000', ...files])

if (failed.length > 0) console.error(`test: failed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0

function run(name, command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) failed.push(name)
}

function testFiles() {
  const patterns = [
    'platform/**/*.test.ts',
    'sdk/ts/**/*.test.ts',
    'cli/**/*.test.ts',
    'scripts/**/*.test.ts',
    'bench/**/*.test.ts',
  ]
  const exclude = (name) => name === 'node_modules' || name.includes('/node_modules/')
  return globSync(patterns, { cwd: root, exclude })
    .filter((file) => !file.includes('node_modules/'))
    .sort()
}
