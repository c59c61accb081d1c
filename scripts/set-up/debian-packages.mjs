import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { run, tail } from './run.mjs'
import { tell } from './tell.mjs'

/** What Warren uses of the system: a command that must be there, the package that brings it, and what is lost without it. */
const wanted = [
  {
    name: 'runc',
    package: 'runc',
    cost: 'no containers: sandboxes are isolated by namespaces only',
    rootOnly: true,
  },
  {
    name: 'bwrap',
    package: 'bubblewrap',
    cost: findCommand('unshare')
      ? 'sandboxes are made by unshare instead, and start slower'
      : 'an ordinary user gets no isolated sandbox',
  },
  {
    name: 'mkfs.ext4',
    package: 'e2fsprogs',
    cost: 'no disk images: the disk of a sandbox is kept in memory',
    rootOnly: true,
  },
  {
    name: 'ip',
    package: 'iproute2',
    cost: 'no network for sandboxes: they reach nothing',
    rootOnly: true,
  },
  {
    name: 'nft',
    package: 'nftables',
    cost: 'no network for sandboxes: they reach nothing',
    rootOnly: true,
  },
  {
    name: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    cost: 'no microVMs',
    rootOnly: true,
    isWanted: process.arch === 'x64',
  },
  {
    name: 'IPython, matplotlib, pandas and PIL for python3',
    packages: ['python3-numpy', 'python3-pandas', 'python3-matplotlib', 'python3-ipython', 'python3-pil'],
    cost: 'code in the contexts of a sandbox has no plots, tables and magics',
    rootOnly: true,
    isThere: hasPythonLibraries,
  },
  {
    name: 'node below /usr',
    package: 'nodejs',
    cost: "no contexts of JavaScript and TypeScript: sandboxes have the host's programs",
    rootOnly: true,
    isThere: () => ['/usr/bin/node', '/usr/local/bin/node'].some(isExecutable),
  },
  {
    name: 'setfattr',
    package: 'attr',
    cost: "sandboxes with the host's programs cannot label files by hand",
    rootOnly: true,
  },
  {
    name: 'redis-server',
    package: 'redis-server',
    cost: 'what several nodes count together is not tested',
    rootOnly: true,
    forTests: true,
  },
  {
    name: 'nats-server',
    package: 'nats-server',
    cost: 'events on NATS are not tested',
    rootOnly: true,
    forTests: true,
  },
  {
    name: 'cargo',
    package: 'cargo',
    cost: 'the guest agent cannot be built, and without it no sandbox starts',
    otherwise: 'cargo also comes from https://rustup.rs, without root',
  },
  { name: 'cc', package: 'gcc', cost: 'the guest agent cannot be linked, and without it no sandbox starts' },
  {
    name: 'prometheus',
    package: 'prometheus',
    cost: 'no test that Prometheus takes the figures',
    rootOnly: true,
    isWanted: process.argv[2] === 'test',
  },
  {
    name: 'libc.a',
    package: 'libc6-dev',
    cost: 'the guest agent cannot be linked, and without it no sandbox starts',
    isThere: hasStaticLibc,
  },
]

/**
 * Installs the missing ones where this is Debian's or Ubuntu's root; elsewhere says what is missing, what that costs, and
 * what to ask for. Never throws: Warren goes on with what there is. The sources of apt are left as they are.
 */
export async function installDebianPackages({ forTests }) {
  const isRoot = process.getuid() === 0
  const wantedHere = wanted.filter(({ isWanted = true, ...row }) => isWanted && (forTests || !row.forTests))
  const missing = await missingOf(wantedHere.filter((row) => isRoot || !row.rootOnly))
  if (missing.length === 0) return
  const hasApt = findCommand('apt-get') !== undefined
  const packagesOf = (rows) => rows.flatMap((row) => row.packages ?? [row.package])
  if (isRoot && hasApt) await install(packagesOf(missing))
  const left = await missingOf(missing)
  if (left.length === 0) return
  for (const { name, cost } of left) tell(`missing: ${name}. Without it: ${cost}`)
  const names = packagesOf(left).join(' ')
  if (!hasApt) tell(`install them in this system's own way (Debian calls the packages ${names})`)
  else if (isRoot) tell(`to try again by hand: apt-get install --no-install-recommends ${names}`)
  else
    tell(`only root can install them. Ask an administrator for: sudo apt-get install --no-install-recommends ${names}`)
  for (const { otherwise } of left) if (otherwise) tell(otherwise)
}

async function missingOf(rows) {
  const there = await Promise.all(rows.map(({ name, isThere }) => (isThere ? isThere() : findCommand(name))))
  return rows.filter((_, index) => !there[index])
}

/** The compiler knows the folder; of a file it does not find it answers with the bare name. */
async function hasStaticLibc() {
  const compiler = findCommand('cc')
  if (!compiler) return false
  const { ok, output } = await run(compiler, ['-print-file-name=libc.a'])
  return ok && output.trim() !== 'libc.a'
}

/** The python3 that sandboxes see, whatever the PATH of this one finds first. */
async function hasPythonLibraries() {
  const names = '"IPython", "matplotlib", "numpy", "pandas", "PIL"'
  // Not imported: that takes a second.
  const ask = `import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, [${names}])))`
  return (await run('/usr/bin/python3', ['-c', ask])).ok
}

/** Full path of a command, also looked for where an ordinary user's PATH does not lead; undefined if it is not there. */
export function findCommand(name) {
  const folders = [
    join(homedir(), '.cargo/bin'),
    ...(process.env.PATH || '').split(delimiter),
    ...['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'],
  ]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

async function install(names) {
  tell(`installing the Debian packages ${names.join(', ')}`)
  if (!(await allKnown(names))) await aptGet(['update'])
  if (await aptGetInstall(names)) return
  await aptGet(['update'])
  if (await aptGetInstall(names)) return
  // One that cannot be had must not keep the others away.
  for (const name of names) await aptGetInstall([name])
}

/** True if apt's lists, which a fresh container image does not have, know a version of each. */
async function allKnown(names) {
  if (!existsSync('/var/lib/apt/lists')) return false
  const { output } = await run('apt-cache', ['policy', ...names])
  return names.every((name) => output.includes(`${name}:`)) && !output.includes('Candidate: (none)')
}

async function aptGetInstall(names) {
  const { ok, output } = await aptGet(['install', '--yes', '--no-install-recommends', ...names])
  if (ok) tell(`installed ${names.join(', ')}`)
  else tell(`apt-get could not install ${names.join(', ')}. It said:\n  ${tail(output, 4)}`)
  return ok
}

/** Runs apt-get, waiting up to five minutes while another one holds its locks. */
async function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'a', LC_ALL: 'C' }
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0']
  for (let attempt = 0; ; attempt++) {
    const result = await run('apt-get', [...options, ...args], { env })
    // The lock of the package lists is not covered by DPkg::Lock::Timeout.
    if (result.ok || attempt >= 60 || !/Could not get lock|Unable to lock/.test(result.output)) return result
    if (attempt === 0) tell('apt is busy with something else, waiting for it')
    await new Promise((resolve) => setTimeout(resolve, 5000))
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
