// npm run check: format and lint, types, layers, unused code, generated files. Runs all of them, then tells which failed.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { root } from './set-up/root.mjs'

const bin = `${root}/node_modules/.bin`
const writeOpenapi = 'platform/src/http/write-openapi.ts'
const writeMessages = 'platform/src/http/grpc/write-messages.ts'
const writeE2b = 'platform/test/e2b/write-docs.ts'

const checks = [
  { name: 'format and lint', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { name: 'types', command: ['tsc', '--noEmit'] },
  { name: 'layers', command: ['node', '--test', '--test-reporter=dot', 'platform/test/layers.test.ts'] },
  { name: 'unused files, exports and dependencies', command: ['knip', '--no-progress'] },
  { name: 'compiled kernels are current', command: ['node', 'scripts/compile-kernels.mjs', '--check'] },
  { name: 'generated spec is current', command: ['node', writeOpenapi, '--check'], file: writeOpenapi },
  { name: 'generated messages of gRPC are current', command: ['node', writeMessages, '--check'], file: writeMessages },
  { name: 'generated table of E2B calls is current', command: ['node', writeE2b, '--check'], file: writeE2b },
]

const failed = checks.filter(({ name, command, file }) => {
  if (file && !existsSync(`${root}/${file}`)) return false
  const started = Date.now()
  const { status } = spawnSync(`${bin}/${command[0]}`, command.slice(1), {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  console.log(`check: ${name}: ${status === 0 ? 'ok' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
  return status !== 0
})

process.exitCode = failed.length > 0 ? 1 : 0
