import { createHash } from 'node:crypto'
import { chmod, copyFile, lstat, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isAccessible } from '../../lib/is-accessible.ts'
import { step } from '../../lib/step.ts'
import type { Rootfs } from '../driver.ts'
import { inside } from '../network/messages.ts'

/** Raise when the content below changes: every version has a folder of its own, so that running sandboxes keep theirs. */
const version = 4

/** Folders of /etc that belong to the packages of /usr, which do not run without them, and say nothing of the host. */
const sharedFolders = /^(alternatives|fonts|java-\d+-openjdk|chromium|chromium\.d|ImageMagick-\d+|perl)$/
/** Files of the same kind. */
const sharedFiles = [
  'ld.so.cache',
  'locale.alias',
  'magic',
  'matplotlibrc',
  'mime.types',
  'protocols',
  'services',
  'ssl/openssl.cnf',
]

/**
 * The root of the template `base`: the host's own /usr read-only, and around it a fresh, minimal tree.
 * Nothing is downloaded, so it is there at once; python3, node and git work inside when the host has them.
 * Host files show as `nobody` inside, for their owner has no number in the sandbox's user namespace.
 * `programs` are further folders of the host that are shown, wherever they are.
 */
export async function prepareBase(imagesDir: string, programs: readonly string[] = []): Promise<Rootfs> {
  const readOnly = ['/usr']
  if (await isAccessible('/etc/ssl/certs')) readOnly.push('/etc/ssl/certs')
  const folders = (await readdir('/etc')).filter((name) => sharedFolders.test(name)).sort()
  readOnly.push(...folders.map((name) => `/etc/${name}`))
  for (const path of ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']) {
    if ((await lstat(path).catch(() => undefined))?.isDirectory()) readOnly.push(path)
  }
  const further = programs.filter((path) => !readOnly.some((shown) => path === shown || path.startsWith(`${shown}/`)))
  readOnly.push(...further)
  // It has a place for each of them, and packages come and go.
  const places = createHash('sha256').update(readOnly.join()).digest('hex').slice(0, 8)
  const skeleton = join(imagesDir, `base-${version}-${places}`)
  if (!(await isAccessible(skeleton)))
    await step('image.build', skeleton, () => buildWhole(skeleton, readOnly, further))
  return { skeleton, readOnly }
}

/** It is there whole or not at all. */
async function buildWhole(skeleton: string, readOnly: readonly string[], further: readonly string[]): Promise<void> {
  const draft = `${skeleton}.${process.pid}.draft`
  await rm(draft, { recursive: true, force: true })
  await build(draft, readOnly)
  for (const path of further) await openTheWay(draft, path)
  await rename(draft, skeleton).catch(async (error) => {
    await rm(draft, { recursive: true, force: true })
    if (!(await isAccessible(skeleton))) throw error
  })
}

/** What is shown below a folder that is closed inside, such as /root, is reached all the same. */
async function openTheWay(root: string, path: string): Promise<void> {
  for (let folder = dirname(path); folder !== '/'; folder = dirname(folder))
    if (!/^\/(tmp|var\/tmp)$/.test(folder)) await chmod(join(root, folder), 0o755)
}

async function build(root: string, readOnly: readonly string[]): Promise<void> {
  const directories: [path: string, mode: number][] = [
    ['dev', 0o755],
    ['etc', 0o755],
    ['etc/ssl', 0o755],
    ['home', 0o755],
    ['home/user', 0o755],
    ['media', 0o755],
    ['mnt', 0o755],
    ['opt', 0o755],
    ['proc', 0o555],
    ['root', 0o700],
    ['run', 0o755],
    ['srv', 0o755],
    ['sys', 0o555],
    ['tmp', 0o1777],
    ['var', 0o755],
    ['var/cache', 0o755],
    ['var/lib', 0o755],
    ['var/log', 0o755],
    ['var/tmp', 0o1777],
    ['.warren', 0o755],
    ['.warren/bin', 0o755],
    ['.warren/host', 0o755],
  ]
  await mkdir(root, { recursive: true, mode: 0o755 })
  await chmod(root, 0o755)
  for (const [path, mode] of directories) {
    await mkdir(join(root, path))
    await chmod(join(root, path), mode)
  }
  for (const path of readOnly) await mkdir(join(root, path), { recursive: true })
  for (const path of ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']) {
    const target = await readlink(path).catch(() => undefined)
    if (target !== undefined) await symlink(target, join(root, path))
  }
  await symlink('/run', join(root, 'var/run'))
  await symlink('/proc/self/mounts', join(root, 'etc/mtab'))
  if (await isAccessible('/usr/lib/os-release')) await symlink('../usr/lib/os-release', join(root, 'etc/os-release'))
  for (const name of sharedFiles)
    if (await isAccessible(`/etc/${name}`)) await copyFile(`/etc/${name}`, join(root, 'etc', name))
  for (const [path, content] of Object.entries(files)) {
    await writeFile(join(root, path), content)
    await chmod(join(root, path), 0o644)
  }
  // Mount point of the guest agent's binary.
  await writeFile(join(root, '.warren/guest'), '', { mode: 0o755 })
  await symlink('/.warren/guest', join(root, '.warren/bin/sudo'))
  // Debian leaves the short name to a package of its own, and programs go by it.
  if ((await isAccessible('/usr/bin/python3')) && !(await isAccessible('/usr/bin/python')))
    await symlink('/usr/bin/python3', join(root, '.warren/bin/python'))
  await writeFile(join(root, '.owners'), owners)
}

/** Debian's pip installs nothing beside Debian's packages unless it is told that this is meant. A sandbox is there for that. */
export const pipConf = '[global]\nbreak-system-packages = true\n'

const files: Record<string, string> = {
  'etc/passwd': `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
user:x:1000:1000:user:/home/user:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`,
  'etc/group': `root:x:0:
daemon:x:1:
tty:x:5:
users:x:100:
user:x:1000:
nogroup:x:65534:
`,
  'etc/hostname': 'sandbox\n',
  'etc/hosts': '127.0.0.1 localhost sandbox\n::1 localhost\n',
  'etc/resolv.conf': `nameserver ${inside.gateway}\noptions timeout:3 attempts:2\n`,
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  'etc/shells': '/bin/sh\n/bin/bash\n',
  'etc/pip.conf': pipConf,
  'etc/profile': 'umask 022\n',
  'etc/bash.bashrc': "PS1='\\u@\\h:\\w\\$ '\n",
  'home/user/.bashrc': '[ -z "$PS1" ] && return\nPS1=\'\\u@\\h:\\w\\$ \'\n',
  'home/user/.profile': '[ -n "$BASH_VERSION" ] && [ -f "$HOME/.bashrc" ] && . "$HOME/.bashrc"\n',
}

/** `path uid gid` inside; everything else belongs to root. Read by the keeper, which copies the tree. */
const owners = `home/user 1000 1000
home/user/.bashrc 1000 1000
home/user/.profile 1000 1000
`
