import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashOfFolder } from './hash-of-folder.mjs'
import { root } from './root.mjs'
import { run, tail } from './run.mjs'
import { tell } from './tell.mjs'

const sdk = join(root, 'sdk/ts')
const stamp = join(root, '.cache/sdk-built-from')

/**
 * Builds the JavaScript of the TypeScript SDK, which the command line and other projects load, if its sources changed.
 * Takes less than a second. Needs the npm packages. Never throws: the platform itself works without it.
 */
export async function buildSdk() {
  const sources = hashOfFolder(sdk, (path) => ['dist', 'node_modules', 'test', 'examples', 'README.md'].includes(path))
  if (existsSync(join(sdk, 'dist/index.js')) && readIfThere(stamp) === sources) return
  rmSync(join(sdk, 'dist'), { recursive: true, force: true })
  const bin = join(root, 'node_modules/.bin')
  const { ok, output } = await run(join(bin, 'node'), [join(bin, 'tsc'), '-p', join(sdk, 'tsconfig.build.json')])
  if (!ok) return tell(`the TypeScript SDK was not built without errors. The compiler said:\n  ${tail(output)}`)
  mkdirSync(join(root, '.cache'), { recursive: true })
  writeFileSync(stamp, sources)
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
