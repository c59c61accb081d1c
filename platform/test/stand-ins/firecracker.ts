import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firecracker } from '../../src/engine/drivers/microvm/firecracker.ts'
import { qemu } from '../../src/engine/drivers/microvm/qemu.ts'
import type { Vmm } from '../../src/engine/drivers/microvm/vmm.ts'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Makes the stand-in's program in `folder`, with the description of the API in it: it runs where no file of ours is seen. */
export async function makeStandIn(folder: string): Promise<string> {
  const description = JSON.stringify(await readFile(file('../../../spec/vendor/firecracker.json'), 'utf8'))
  const source = await readFile(file('firecracker.py'), 'utf8')
  const program = join(folder, 'firecracker')
  await writeFile(program, `#!/usr/bin/python3\nDESCRIPTION = __import__("json").loads(${description})\n${source}`)
  await chmod(program, 0o755)
  return program
}

/** Firecracker's part of the platform as it is, and the stand-in instead of the program: its guests are QEMU's. */
export function firecrackerByStandIn(program: string): Vmm {
  return {
    ...firecracker,
    memoryMb: 384,
    modules: qemu.modules,
    needsKvm: false,
    find: async () => ({ program, version: 'stand-in' }),
  }
}
