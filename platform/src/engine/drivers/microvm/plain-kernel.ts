import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { WarrenError } from '../../../errors.ts'
import { atomicWrite } from '../../../lib/atomic-write.ts'
import { isAccessible } from '../../../lib/is-accessible.ts'
import type { GuestKernel } from './kernel.ts'
import { decompressLz4 } from './lz4.ts'

const elf = Buffer.from('\x7fELF')
const prefix = 'vmlinux-'

/**
 * The kernel's image before it was compressed, taken out of it once; for monitors that bring no program of their own to do
 * that. Answers with its path. Throws `unavailable` where the image is none that is known.
 */
export async function plainKernel(cacheDir: string, kernel: GuestKernel): Promise<string> {
  const image = await readFile(kernel.image)
  if (image.subarray(0, 4).equals(elf)) return kernel.image
  const path = join(cacheDir, `${prefix}${createHash('sha256').update(image).digest('hex').slice(0, 16)}`)
  if (await isAccessible(path)) return path
  const plain = await decompress(payloadOf(image)).catch((cause) => {
    throw unusable(kernel, (cause as Error).message)
  })
  if (!plain.subarray(0, 4).equals(elf)) throw unusable(kernel, 'what it holds is no program')
  await atomicWrite(path, plain, 0o644)
  // Machines have read theirs.
  for (const other of await readdir(cacheDir)) {
    if (other.startsWith(prefix) && join(cacheDir, other) !== path) await rm(join(cacheDir, other), { force: true })
  }
  return path
}

function unusable({ image }: GuestKernel, why: string): WarrenError {
  return new WarrenError('unavailable', `the kernel cannot be taken out of ${image}: ${why}`, {
    hint: 'Set WARREN_KERNEL to an uncompressed image (vmlinux-<version>).',
  })
}

/** Where the boot protocol says that it is (Documentation/arch/x86/boot.rst). Empty for what is no such image. */
function payloadOf(image: Buffer): Buffer {
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') return Buffer.alloc(0)
  const setupSectors = image.readUInt8(0x1f1) || 4
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248)
  return image.subarray(start, start + image.readUInt32LE(0x24c))
}

/** What is appended, the kernel's size, is no part of the packed stream. */
async function decompress(payload: Buffer): Promise<Buffer> {
  const magic = payload.subarray(0, 4).toString('hex')
  if (magic.startsWith('1f8b')) return promisify(gunzip)(payload.subarray(0, -4))
  if (magic === '28b52ffd') return promisify(zstdDecompress)(payload.subarray(0, -4))
  if (magic === '02214c18') return decompressLz4(payload.subarray(0, -4))
  throw new Error(magic === '' ? 'it is no image of a kernel' : `it is packed in a way that is not known (${magic})`)
}
