import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A kernel for guests: its image, and where its modules are. */
export interface GuestKernel {
  image: string
  /** As in the image's name, `vmlinuz-<version>`. */
  version: string
  modules: string
}

/**
 * The operator's kernel (WARREN_KERNEL, a file `vmlinuz-<version>` with `../lib/modules/<version>` or the host's
 * `/lib/modules/<version>` beside it), or the newest that was fetched into the folder of tools.
 */
export async function findKernel(
  toolsDir: string,
  configured: string | undefined,
): Promise<GuestKernel | { missing: string }> {
  if (configured !== undefined) {
    if (!existsSync(configured)) return { missing: `the kernel that WARREN_KERNEL names is not there: ${configured}` }
    return kernelAt(configured)
  }
  const boot = join(toolsDir, 'kernel/boot')
  const images = (await readdir(boot).catch(() => [])).filter((name) => name.startsWith('vmlinuz-')).sort()
  const newest = images.at(-1)
  if (newest === undefined)
    return { missing: 'there is no kernel for guests: run `npm run fetch-kernel`, or set WARREN_KERNEL' }
  return kernelAt(join(boot, newest))
}

function kernelAt(image: string): GuestKernel {
  const version = basename(image).replace(/^vmlinu[xz]-/, '')
  const folders = [join(dirname(image), '../lib/modules', version), join('/lib/modules', version)]
  return { image, version, modules: folders.find((folder) => existsSync(folder)) ?? folders[0] ?? '' }
}

export interface KernelModule {
  name: string
  content: Buffer
}

/** The modules a guest loads for those `wanted`, each after those it needs. What the kernel has built in is left out: it is no file. */
export async function guestModules(kernel: GuestKernel, wanted: readonly string[]): Promise<KernelModule[]> {
  const files = new Map<string, string>()
  for (const path of await readdir(kernel.modules, { recursive: true }).catch(() => [])) {
    if (path.endsWith('.ko')) files.set(moduleName(basename(path, '.ko')), join(kernel.modules, path))
  }
  const loaded = new Map<string, KernelModule>()
  const load = async (name: string): Promise<void> => {
    const path = files.get(moduleName(name))
    if (path === undefined || loaded.has(path)) return
    const content = await readFile(path)
    for (const needed of dependencies(content)) await load(needed)
    loaded.set(path, { name: basename(path), content })
  }
  for (const name of wanted) await load(name)
  return [...loaded.values()]
}

/** The kernel takes a dash in a name for an underscore. */
function moduleName(name: string): string {
  return name.replaceAll('-', '_')
}

/** A module says what it needs in its section .modinfo, as `depends=a,b` between two NUL bytes. */
function dependencies(module: Buffer): string[] {
  const mark = Buffer.from('\0depends=')
  const start = module.indexOf(mark)
  if (start < 0) return []
  const from = start + mark.length
  return module
    .toString('latin1', from, module.indexOf(0, from))
    .split(',')
    .filter((name) => name !== '')
}
