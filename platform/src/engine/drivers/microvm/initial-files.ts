import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { atomicWrite } from '../../../lib/atomic-write.ts'
import { isAccessible } from '../../../lib/is-accessible.ts'
import { type GuestKernel, guestModules } from './kernel.ts'
import type { Vmm } from './vmm.ts'

interface Entry {
  path: string
  mode: number
  content?: Buffer
  /** Major and minor number of a device. */
  device?: [number, number]
}

/** What nobody has started with for so long is removed, milliseconds. */
const unusedMs = 7 * 86_400_000

const [directory, file, character] = [0o040_000, 0o100_000, 0o020_000]

/**
 * What the kernel of a guest starts with, made once for each kernel, guest binary and monitor: our binary as the first process, and
 * the kernel modules it loads. Answers with the file's path.
 */
export async function initialFiles(
  cacheDir: string,
  kernel: GuestKernel,
  { guestBinary, vmm }: { guestBinary: string; vmm: Pick<Vmm, 'name' | 'modules'> },
): Promise<string> {
  const modules = await guestModules(kernel, vmm.modules)
  const prefix = `initial-${vmm.name.slice('microvm/'.length)}-`
  const binary = await readFile(guestBinary)
  const hash = createHash('sha256').update(kernel.version).update(binary)
  for (const { content } of modules) hash.update(content)
  const path = join(cacheDir, `${prefix}${hash.digest('hex').slice(0, 16)}.cpio`)
  if (await isAccessible(path)) {
    const now = new Date()
    await utimes(path, now, now)
    return path
  }
  const folders = ['dev', 'proc', 'sys', 'modules', 'root', 'shown', 'limits']
  const list = modules.map(({ name }) => `${name}\n`).join('')
  const entries: Entry[] = [
    ...folders.map((path) => ({ path, mode: directory | 0o755 })),
    { path: 'dev/console', mode: character | 0o600, device: [5, 1] },
    { path: 'init', mode: file | 0o755, content: binary },
    { path: 'modules/list', mode: file | 0o644, content: Buffer.from(list) },
    ...modules.map(({ name, content }) => ({ path: `modules/${name}`, mode: file | 0o644, content })),
  ]
  await atomicWrite(path, archive(entries), 0o644)
  // What has been asked for since may be what another platform with the same cache starts its machines with.
  for (const other of (await readdir(cacheDir)).filter((name) => name.startsWith(prefix))) {
    const found = await stat(join(cacheDir, other)).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > unusedMs) await rm(join(cacheDir, other), { force: true })
  }
  return path
}

/** The format that the kernel reads: cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst). */
function archive(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = []
  const add = (bytes: Buffer) => parts.push(bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4))
  for (const [index, { path, mode, content, device }] of [...entries, { path: 'TRAILER!!!', mode: 0 }].entries()) {
    const size = content?.length ?? 0
    const [major, minor] = device ?? [0, 0]
    const numbers = [index + 1, mode, 0, 0, 1, 0, size, 0, 0, major, minor, path.length + 1, 0]
    const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
    add(Buffer.from(`${header}${path}\0`))
    if (content) add(content)
  }
  return Buffer.concat(parts)
}
