import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.mjs'
import { run, tail } from './run.mjs'
import { tell } from './tell.mjs'

const pinnedNode = `node_modules/node-${process.platform}-${process.arch}`

/**
 * Installs what package-lock.json names, if anything of it is missing or of another version. Throws where it cannot.
 * No package's install script is run: none of ours needs one. Afterwards node_modules/.bin/node is the pinned Node.
 */
export async function installNodePackages() {
  const missing = missingPackages()
  if (missing.length > 0) {
    const started = Date.now()
    tell(`installing the npm packages (${missing.length} missing or outdated)`)
    const { ok, output } = await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
    if (!ok) throw new Error(`npm ci did not succeed. It said:\n  ${tail(output)}`)
    tell(`npm packages installed in ${((Date.now() - started) / 1000).toFixed(1)} s`)
  }
  if (!existsSync(join(root, 'node_modules/.bin/node'))) {
    throw new Error(
      `there is no pinned Node for ${process.platform} ${process.arch}: Warren runs on Linux x64 and arm64 with glibc`,
    )
  }
}

function npm(args) {
  const script = process.env.npm_execpath
  const options = { cwd: root }
  return script && /\.c?js$/.test(script)
    ? run(process.execPath, [script, ...args], options)
    : run('npm', args, options)
}

/** Paths of package-lock.json that node_modules does not hold in that version, by npm's own record of what it laid there. */
function missingPackages() {
  const wanted = packagesOf('package-lock.json')
  const present = packagesOf('node_modules/.package-lock.json')
  return Object.keys(wanted).filter((path) => {
    if (!path.startsWith('node_modules/')) return false
    const { version, link, optional } = wanted[path]
    const found = present[path]
    // npm leaves out what is optional and made for another system, and what only that would need.
    if (found === undefined) return !optional || path === pinnedNode
    return !existsSync(join(root, path)) || (!link && found.version !== version)
  })
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages || {}
  } catch {
    return {}
  }
}
