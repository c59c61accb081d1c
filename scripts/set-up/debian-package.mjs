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
import { run, tail } from './run.mjs'

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/**
 * Unpacks a Debian package and hands the folder to `take`: from the suites of `suitesOf`, else from apt's own sources, if
 * `isWanted` says yes to its version. `findName` may look for the package's name with apt. apt checks the signatures, with
 * a state directory of its own: the user's sources, lists and installed packages are left as they are. Answers why it could
 * not, or undefined.
 */
export async function takeFromPackage({ findName, suitesOf, isWanted = () => true, take, deadlineMs }) {
  if (!findCommand('apt-get') || !findCommand('dpkg-deb')) return 'this system has no apt'
  const signal = AbortSignal.timeout(deadlineMs)
  const reasons = []
  for (const source of await sources(suitesOf)) {
    const state = mkdtempSync(join(tmpdir(), 'warren-apt-'))
    try {
      const why = await fetchFrom(source, { findName, isWanted, take, state, signal })
      if (!why) return undefined
      reasons.push(`${source.title}: ${why}`)
    } finally {
      rmSync(state, { recursive: true, force: true })
    }
  }
  return reasons.join('; ')
}

/** Lays the program `path` of the package `name` into a folder. By renaming: a program that is there is there as a whole. */
export function fetchProgram({ name, path, into, ...from }) {
  const take = (unpacked) => {
    mkdirSync(into, { recursive: true })
    const draft = join(into, `${name}.${process.pid}.draft`)
    copyFileSync(join(unpacked, path), draft)
    chmodSync(draft, 0o755)
    renameSync(draft, join(into, name))
  }
  // The lists of backports are small, and what is in them is newer.
  const suitesOf = ({ uri, release }) => [[uri, `${release}-backports`]]
  return takeFromPackage({ findName: async () => name, suitesOf, take, ...from })
}

async function fetchFrom(source, { findName, isWanted, take, state, signal }) {
  for (const folder of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(state, folder), { recursive: true })
  if (source.lines) writeFileSync(join(state, 'sources.list'), source.lines)
  writeFileSync(join(state, 'apt.conf'), aptConfiguration(state, source))
  const env = { ...process.env, APT_CONFIG: join(state, 'apt.conf'), LC_ALL: 'C' }
  const apt = async (command, args) => {
    const { ok, output } = await run(command, args, { cwd: state, env, signal })
    return { output, why: ok ? undefined : signal.aborted ? 'it took too long' : tail(output, 1) }
  }

  const updated = await apt('apt-get', ['-q', 'update'])
  if (updated.why) return updated.why
  // Of a source that cannot be reached apt only warns.
  const warning = /^W: (.*)/m.exec(updated.output)?.[1]
  const name = await findName(apt)
  if (!name) return warning ?? 'it has no such package'
  const policy = await apt('apt-cache', ['policy', name])
  const version = /Candidate: (\S+)/.exec(policy.output)?.[1]
  if (!version || version === '(none)') return warning ?? `no package ${name}`
  if (!isWanted(version)) return `${name} ${version} is too old`
  const downloaded = await apt('apt-get', ['-q', 'download', name])
  if (downloaded.why) return downloaded.why
  const archive = readdirSync(state).find((file) => file.endsWith('.deb'))
  const unpacked = await apt('dpkg-deb', ['-x', archive, 'unpacked'])
  if (unpacked.why) return unpacked.why
  take(join(state, 'unpacked'))
}

/** Where to look, one after the other. */
async function sources(suitesOf) {
  const own = { title: "apt's own sources" }
  const mirror = existsSync(keyring) && (await findMirror())
  if (!mirror) return [own]
  const suites = suitesOf(mirror)
  const lines = suites.map(([uri, suite]) => `deb [signed-by=${keyring}] ${uri} ${suite} main\n`).join('')
  return [{ title: suites[0][1], lines }, own]
}

/** Where this machine gets Debian from, and which release. */
async function findMirror() {
  const format = '$(REPO_URI)|$(RELEASE)'
  const { output } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  const rows = output.split('\n').map((line) => line.split('|'))
  const found = rows.find(([uri, release]) => /\/debian\/?$/.test(uri) && /^[a-z]+$/.test(release ?? ''))
  return found && { uri: found[0], release: found[1] }
}

function aptConfiguration(state, { lines }) {
  const settings = {
    'Dir::State': join(state, 'state'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(state, 'cache'),
    ...(lines && {
      'Dir::Etc::sourcelist': join(state, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferences': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
    }),
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::http::Timeout': '10',
    'Acquire::Retries': '0',
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} "${value}";\n`)
    .join('')
}
