import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fetchProgram } from './debian-package.mjs'
import { findCommand } from './debian-packages.mjs'
import { root } from './root.mjs'
import { tell } from './tell.mjs'

/** Packages, and the program of each that is taken out of it. */
const wanted = [
  { name: 'docker-registry', path: '/usr/bin/docker-registry', lacks: 'images are not pulled in the tests' },
  { name: 'busybox-static', path: '/bin/busybox', lacks: 'no system without bash is built in the tests' },
]
const deadlineMs = 60_000

/**
 * Fetches what the tests make and keep images with, into the clone. It is not installed: the package of the registry would
 * start it on a port of this host. Never throws: the tests that need it are skipped and say so.
 */
export async function fetchTestRegistry() {
  const into = join(root, '.cache/tools')
  if (process.getuid() !== 0) return
  for (const { name, path, lacks } of wanted) {
    if (existsSync(join(into, name)) || findCommand(name)) continue
    const why = await fetchProgram({ name, path, into, deadlineMs }).catch((error) => error.message)
    tell(why ? `${lacks}: ${why}` : `fetched ${name} for the tests`)
  }
}
