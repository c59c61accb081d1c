import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { takeFromPackage } from './debian-package.mjs'
import { findCommand } from './debian-packages.mjs'
import { root } from './root.mjs'
import { tell } from './tell.mjs'

const deadlineMs = 120_000

/**
 * Fetches a kernel for microVMs for the tests, into the clone. Never throws: the tests of what is missing are skipped and
 * say so.
 */
export async function fetchTestKernel() {
  const folder = join(root, '.cache/tools')
  if (process.getuid() !== 0 || !findCommand('qemu-system-x86_64') || existsSync(join(folder, 'kernel'))) return
  try {
    const why = await fetchKernel(folder)
    tell(why ? `microVMs are not tested: ${why}` : 'fetched a kernel for the microVMs of the tests')
  } catch (error) {
    tell(`microVMs are not tested: ${error.message}`)
  }
}

/**
 * Takes the kernel for guests and its modules out of Debian's package of a kernel for clouds, which is small and boots
 * fast, into the folder `kernel`. Nothing is installed: this host goes on booting its own. Answers why it could not, or
 * undefined.
 */
export function fetchKernel(into) {
  const take = (unpacked) => {
    const draft = join(into, `kernel.${process.pid}.draft`)
    mkdirSync(join(draft, 'lib'), { recursive: true })
    cpSync(join(unpacked, 'boot'), join(draft, 'boot'), { recursive: true })
    cpSync(join(unpacked, 'lib/modules'), join(draft, 'lib/modules'), { recursive: true })
    rmSync(join(into, 'kernel'), { recursive: true, force: true })
    renameSync(draft, join(into, 'kernel'))
  }
  const suitesOf = ({ uri, release }) => [
    [uri, release],
    [uri.replace(/debian\/?$/, 'debian-security'), `${release}-security`],
  ]
  return takeFromPackage({ findName, suitesOf, take, deadlineMs })
}

/** The package of the newest version, on which the one without a version depends. */
async function findName(apt) {
  const { output } = await apt('apt-cache', ['depends', 'linux-image-cloud-amd64'])
  return /Depends: (linux-image-\S+-cloud-amd64)/.exec(output)?.[1]
}
