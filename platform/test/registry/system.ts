import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from './layer.ts'

const shell = [
  'bash',
  'sh',
  'env',
  'cat',
  'echo',
  'ls',
  'id',
  'mkdir',
  'rm',
  'cp',
  'chmod',
  'chown',
  'dirname',
  'touch',
  'sleep',
]
const programs = [...shell, 'mktemp', 'tar', 'gzip', 'grep', 'cut', 'find', 'stat', 'sort', 'printenv', 'tee']

/** A small system made of programs of this host and the libraries that they need: enough to run commands in. */
export function smallSystem(): Entry[] {
  const found = programs
    .map((name) => [`/usr/bin/${name}`, `/bin/${name}`].find((path) => existsSync(path)))
    .filter((path) => path !== undefined)
  const libraries = new Set(found.flatMap(librariesOf))
  const file = (path: string, from: string): Entry => ({
    path: path.slice(1),
    content: readFileSync(realpathSync(from)),
    mode: 0o755,
  })
  const text = (path: string, content: string): Entry => ({ path, content })
  return [
    ...found.map((path) => file(`/bin/${path.split('/').at(-1)}`, path)),
    ...[...libraries].map((path) => file(path, path)),
    { path: 'usr/bin', type: '2', linkPath: '../bin' },
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n'),
    text('etc/group', 'root:x:0:\n'),
    // As Debian's: a login shell forgets the image's PATH.
    text('etc/profile', 'PATH=/usr/bin:/bin\n'),
    { path: 'tmp/', mode: 0o1777 },
    { path: 'root/', mode: 0o700 },
  ]
}

/** Where set-up puts it for the tests. */
const busybox = join(import.meta.dirname, '../../../.cache/tools/busybox-static')
export const noBusybox = existsSync(busybox) ? false : 'there is no busybox (Debian: busybox-static)'

/** A system as Alpine is: one program for everything, which needs no library, and no bash. */
export function alpineLike(): Entry[] {
  const names = execFileSync(busybox, ['--list'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name && name !== 'busybox')
  return [
    { path: 'bin/busybox', content: readFileSync(busybox), mode: 0o755 },
    ...names.map((name): Entry => ({ path: `bin/${name}`, type: '2', linkPath: 'busybox' })),
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/ash\n' },
    { path: 'etc/group', content: 'root:x:0:\n' },
    { path: 'etc/profile', content: 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' },
    { path: 'usr/local/bin/', mode: 0o755 },
    { path: 'tmp/', mode: 0o1777 },
    { path: 'root/', mode: 0o700 },
  ]
}

function librariesOf(program: string): string[] {
  const said = execFileSync('ldd', [program], { encoding: 'utf8' })
  return [...said.matchAll(/(\/\S+\.so\S*)/g)].map((match) => match[1]!).filter((path) => existsSync(path))
}
