import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { findCommand } from './debian-packages.mjs'
import { hashOfFolder } from './hash-of-folder.mjs'
import { root } from './root.mjs'
import { run, tail } from './run.mjs'
import { tell } from './tell.mjs'

const guest = join(root, 'guest')
const binary = join(guest, 'target/release/warren-guest')
/** Makes the attempts of `warren verify --adversarial`. */
const probe = join(guest, 'target/release/warren-probe')
const stamp = join(guest, 'target/built-from')

/**
 * Builds the guest agent if its sources changed since it was built. Never throws: without it the platform
 * says why it does not start.
 */
export async function buildGuest() {
  if (!existsSync(join(guest, 'Cargo.toml'))) return
  const sources = hashOfSources()
  if (existsSync(binary) && existsSync(probe) && readIfThere(stamp) === sources) return
  const cargos = cargosToTry()
  if (cargos.length === 0) {
    // What its absence costs has been told with the missing packages.
    if (existsSync(binary)) tell('the guest agent stays as it was before its sources changed')
    return
  }
  const started = Date.now()
  tell('building the guest agent')
  const failures = []
  for (const cargo of cargos) {
    const { ok, output } = await run(cargo, ['build', '--release', '--locked'], { cwd: guest, onLine: tellProgress })
    if (ok && existsSync(binary)) {
      mkdirSync(join(guest, 'target'), { recursive: true })
      writeFileSync(stamp, sources)
      tell(`guest agent built in ${((Date.now() - started) / 1000).toFixed(1)} s`)
      return
    }
    failures.push(`${cargo} said:\n  ${tail(output)}`)
  }
  tell(`the guest agent could not be built, so no sandbox can start.\n${failures.join('\n')}`)
}

/** The user's own toolchain first: it is the newer one. A rustup shim without a toolchain fails, so Debian's is kept as second. */
function cargosToTry() {
  const candidates = [join(homedir(), '.cargo/bin/cargo'), findCommand('cargo'), '/usr/bin/cargo']
  return [...new Set(candidates)].filter((path) => path && existsSync(path))
}

function tellProgress(line) {
  if (/^\s*(Compiling|Downloading) /.test(line)) tell(`  ${line.trim()}`)
}

function hashOfSources() {
  return hashOfFolder(guest, (path) => ['target', 'tests', 'README.md'].includes(path))
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
