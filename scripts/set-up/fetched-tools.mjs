import {
  chmodSync,
  copyFileSync,
  cpSync,
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
 * Fetches gVisor for the tests, newer than Debian's stable has it, and a kernel for microVMs, into the clone. Never throws:
 * the tests of what is missing are skipped and say so.
 */
export async function fetchTestTools() {
  if (!existsSync(join(toolsDir, 'runsc')) && !findCommand('runsc')) {
    const why = await fetchProgram('runsc', '/usr/bin/runsc', toolsDir)
    tell(why ? `gVisor is not tested: ${why}` : 'fetched gVisor (runsc) for the tests')
  }
  if (findCommand('qemu-system-x86_64') && !existsSync(join(toolsDir, 'kernel'))) {
    const why = await fetchKernel(toolsDir)
    tell(why ? `microVMs are not tested: ${why}` : 'fetched a kernel for the microVMs of the tests')
  }
}

/** Takes one program out of a package of the backports of this Debian. Answers why it could not, or undefined. */
async function fetchProgram(packageName, path, into) {
  return unpack(
    { release: (stable) => `${stable}-backports`, findPackage: async () => packageName },
    (unpacked) => {
      // By renaming: a program that is there is there as a whole.
      const draft = join(into, `${packageName}.${process.pid}.draft`)
      copyFileSync(join(unpacked, path), draft)
      chmodSync(draft, 0o755)
      renameSync(draft, join(into, packageName))
    },
    into,
  )
}

/**
 * Takes the kernel for guests and its modules out of Debian's package of a kernel for clouds, which is small and boots
 * fast, into the folder `kernel`. Nothing is installed: this host goes on booting its own. Answers why it could not, or undefined.
 */
export async function fetchKernel(into) {
  const source = { release: (stable) => stable, security: true, findPackage: findKernelPackage }
  return unpack(
    source,
    (unpacked) => {
      const draft = join(into, `kernel.${process.pid}.draft`)
      mkdirSync(join(draft, 'lib'), { recursive: true })
      cpSync(join(unpacked, 'boot'), join(draft, 'boot'), { recursive: true })
      cpSync(join(unpacked, 'lib/modules'), join(draft, 'lib/modules'), { recursive: true })
      rmSync(join(into, 'kernel'), { recursive: true, force: true })
      renameSync(draft, join(into, 'kernel'))
    },
    into,
  )
}

/** The package of the newest version, on which the one without a version depends. */
async function findKernelPackage(env) {
  const { output } = await run('apt-cache', ['depends', 'linux-image-cloud-amd64'], { env })
  return /Depends: (linux-image-\S+-cloud-amd64)/.exec(output)?.[1]
}

/**
 * Downloads a package of Debian, signatures checked by apt, with a state directory of its own: the user's sources and
 * installed packages are left as they are. `take` gets the folder it was unpacked into. Answers why it could not, or undefined.
 */
async function unpack({ release, security, findPackage }, take, into) {
  if (!findCommand('apt-get') || !existsSync(keyring)) return 'this is no Debian'
  const mirror = await findMirror()
  if (!mirror) return 'apt has no source of Debian stable'
  const state = mkdtempSync(join(tmpdir(), 'warren-apt-'))
  try {
    for (const folder of ['state/lists/partial', 'cache/archives/partial'])
      mkdirSync(join(state, folder), { recursive: true })
    const line = (uri, suite) => `deb [signed-by=${keyring}] ${uri} ${suite} main\n`
    const sources = [line(mirror.uri, release(mirror.release))]
    if (security) sources.push(line(mirror.uri.replace(/debian\/?$/, 'debian-security'), `${mirror.release}-security`))
    writeFileSync(join(state, 'sources.list'), sources.join(''))
    writeFileSync(join(state, 'apt.conf'), aptConfiguration(state))
    const env = { ...process.env, APT_CONFIG: join(state, 'apt.conf') }
    const updated = await run('apt-get', ['-q', 'update'], { cwd: state, env })
    if (!updated.ok) return tail(updated.output, 1)
    const packageName = await findPackage(env)
    if (!packageName) return 'the package is not known to Debian'
    const downloaded = await run('apt-get', ['-q', 'download', packageName], { cwd: state, env })
    if (!downloaded.ok) return tail(downloaded.output, 1)
    const archive = readdirSync(state).find((name) => name.endsWith('.deb'))
    const unpacked = await run('dpkg-deb', ['-x', archive, 'unpacked'], { cwd: state })
    if (!unpacked.ok) return tail(unpacked.output, 1)
    mkdirSync(into, { recursive: true })
    take(join(state, 'unpacked'))
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
