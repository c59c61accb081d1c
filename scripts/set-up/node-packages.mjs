import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.mjs'
import { run, tail } from './run.mjs'
import { tell } from './tell.mjs'

const bootstrap = join(root, '.cache/node-bootstrap')
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
    await npmCi(root, await recentNode())
    rmSync(bootstrap, { recursive: true, force: true })
    tell(`npm packages installed in ${((Date.now() - started) / 1000).toFixed(1)} s`)
  }
  linkPinnedNode()
}

/** npm 9 installs the Node of this processor, then removes its link together with that of the processor that is not ours. */
function linkPinnedNode() {
  const node = join(root, pinnedNode, 'bin/node')
  const link = join(root, 'node_modules/.bin/node')
  if (!existsSync(node)) {
    const here = `${process.platform} ${process.arch}`
    throw new Error(`there is no pinned Node for ${here}: Warren runs on Linux x64 and arm64 with glibc`)
  }
  if (existsSync(link)) return
  chmodSync(node, 0o755)
  symlinkSync(`../../${pinnedNode}/bin/node`, link)
}

/**
 * Folder of a Node that is recent enough to run npm for us: under an older one npm leaves out optional packages that want
 * a newer one, without a word. If ours is older, the pinned one is fetched first, by itself, as package-lock.json has it.
 */
async function recentNode() {
  const entry = packagesOf('package-lock.json')[pinnedNode]
  if (!entry || Number.parseInt(process.versions.node, 10) >= Number.parseInt(entry.version, 10)) return undefined
  const name = pinnedNode.replace('node_modules/', '')
  const packageJson = { private: true, dependencies: { [name]: entry.version } }
  const lock = { lockfileVersion: 3, packages: { '': packageJson, [pinnedNode]: { ...entry, optional: undefined } } }
  mkdirSync(bootstrap, { recursive: true })
  writeFileSync(join(bootstrap, 'package.json'), JSON.stringify(packageJson))
  writeFileSync(join(bootstrap, 'package-lock.json'), JSON.stringify(lock))
  await npmCi(bootstrap, undefined)
  return join(bootstrap, 'node_modules/.bin')
}

async function npmCi(cwd, nodeFolder) {
  const script = process.env.npm_execpath
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const env = { ...process.env }
  if (nodeFolder) env.PATH = `${nodeFolder}:${env.PATH}`
  // npm tells its children which Node it runs on; one that is told of the old Node would use it.
  delete env.npm_node_execpath
  delete env.NODE
  const node = nodeFolder ? join(nodeFolder, 'node') : process.execPath
  const { ok, output } =
    script && /\.c?js$/.test(script)
      ? await run(node, [script, ...args], { cwd, env })
      : await run('npm', args, { cwd, env })
  if (!ok) throw new Error(`npm ci did not succeed. It said:\n  ${tail(output)}`)
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
