import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCommand } from './debian-packages.mjs'
import { root } from './root.mjs'
import { run, tail } from './run.mjs'
import { tell } from './tell.mjs'

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Where tests find what they need beyond the system's packages. */
const toolsDir = join(root, '.cache/tools')

/**
 * Fetches gVisor for the tests, newer than Debian's stable has it, into the clone. Never throws: the tests of what is
 * missing are skipped and say so.
 */
export async function fetchTestTools() {
  if (existsSync(join(toolsDir, 'runsc')) || findCommand('runsc')) return
  const why = await fetchProgram('runsc', '/usr/bin/runsc', toolsDir)
  tell(why ? `gVisor is not tested: ${why}` : 'fetched gVisor (runsc) for the tests')
}

/**
 * Takes one program out of a package of the backports of this Debian, signatures checked by apt, with a state directory of
 * its own: the user's sources and installed packages are left as they are. Answers why it could not, or undefined.
 */
async function fetchProgram(packageName, path, into) {
  if (!findCommand('apt-get') || !existsSync(keyring)) return 'this is no Debian'
  const mirror = await findMirror()
  if (!mirror) return 'apt has no source of Debian stable'
  const state = mkdtempSync(join(tmpdir(), 'warren-apt-'))
  try {
    for (const folder of ['state/lists/partial', 'cache/archives/partial'])
      mkdirSync(join(state, folder), { recursive: true })
    const source = `deb [signed-by=${keyring}] ${mirror.uri} ${mirror.release}-backports main\n`
    writeFileSync(join(state, 'sources.list'), source)
    writeFileSync(join(state, 'apt.conf'), aptConfiguration(state))
    const env = { ...process.env, APT_CONFIG: join(state, 'apt.conf') }
    for (const args of [['update'], ['download', packageName]]) {
      const { ok, output } = await run('apt-get', ['-q', ...args], { cwd: state, env })
      if (!ok) return tail(output, 1)
    }
    const archive = readdirSync(state).find((name) => name.endsWith('.deb'))
    const unpacked = await run('dpkg-deb', ['-x', archive, 'unpacked'], { cwd: state })
    if (!unpacked.ok) return tail(unpacked.output, 1)
    mkdirSync(into, { recursive: true })
    // By renaming: a program that is there is there as a whole.
    const draft = join(into, `${packageName}.${process.pid}.draft`)
    copyFileSync(join(state, 'unpacked', path), draft)
    chmodSync(draft, 0o755)
    renameSync(draft, join(into, packageName))
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

/** Where this machine gets Debian from, and which release. */
async function findMirror() {
  const format = '$(REPO_URI)|$(RELEASE)'
  const { output } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  const rows = output.split('\n').map((line) => line.split('|'))
  const found = rows.find(([uri, release]) => /\/debian\/?$/.test(uri) && /^[a-z]+$/.test(release ?? ''))
  return found && { uri: found[0], release: found[1] }
}

function aptConfiguration(state) {
  const settings = {
    'Dir::State': join(state, 'state'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(state, 'cache'),
    'Dir::Etc::sourcelist': join(state, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::http::Timeout': '10',
    'Acquire::Retries': '0',
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} "${value}";\n`)
    .join('')
}
