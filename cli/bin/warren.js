#!/usr/bin/env node
// Starts the command line on the Node that this clone pins, whatever Node is the system's. Must run on Node 18.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pinnedNode = `${root}node_modules/.bin/node`
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const args = process.argv.slice(2)
const isSetUp = () =>
  [pinnedNode, `${root}node_modules/commander`, `${root}sdk/ts/dist/index.js`].every((path) => existsSync(path))

if (!isSetUp() && args[0] === 'up') {
  spawnSync(process.execPath, [`${root}scripts/set-up.mjs`], { stdio: 'inherit' })
}
if (!isSetUp()) fail('this clone is not set up; run: npm start')
else if (Number(process.versions.node.split('.')[0]) >= 24) await import(main)
else runPinned()

function runPinned() {
  const child = spawn(pinnedNode, [main, ...args], { stdio: 'inherit' })
  // A terminal sends its signals to the child as well; ours only has to outlive it. Others are passed on.
  process.on('SIGINT', () => {})
  process.on('SIGQUIT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => fail(`${pinnedNode} cannot be run: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

function fail(message) {
  console.error(`warren: ${message}`)
  process.exitCode = 1
}
