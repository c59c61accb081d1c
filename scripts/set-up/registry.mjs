import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fetchProgram } from './debian-package.mjs'
import { findCommand } from './debian-packages.mjs'
import { root } from './root.mjs'
import { tell } from './tell.mjs'

const name = 'docker-registry'
const deadlineMs = 60_000

/**
 * Fetches a registry of images for the tests, into the clone. It is not installed: its package would start it on a port of
 * this host. Never throws: the tests that need it are skipped and say so.
 */
export async function fetchTestRegistry() {
  const into = join(root, '.cache/tools')
  if (process.getuid() !== 0 || existsSync(join(into, name)) || findCommand(name)) return
  try {
    const why = await fetchProgram({ name, path: `/usr/bin/${name}`, into, deadlineMs })
    tell(why ? `images are not pulled in the tests: ${why}` : 'fetched a registry of images for the tests')
  } catch (error) {
    tell(`images are not pulled in the tests: ${error.message}`)
  }
}
