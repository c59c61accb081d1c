import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../../errors.ts'
import { newId } from '../../../lib/id.ts'
import { isAccessible } from '../../../lib/is-accessible.ts'
import { runCommand } from '../../../lib/run-command.ts'

const mebibyte = 1024 * 1024
/** An image of many gigabytes on a slow disk. */
const buildMs = 30 * 60_000
/** Where ext4 says what it is, and its number in there, bytes. */
const [superblock, uuidOffset] = [1024, 0x68]

/**
 * A read-only disk with the host's folders that a container would see by bind mounts. A guest cannot be shown folders: the
 * ways there are (9p, virtiofs) cannot be saved with the machine. Not compressed, so that its pages are shared by all
 * machines in the host's page cache. Made once for each state of the folders; answers with its path.
 */
export async function shownImage(
  cacheDir: string,
  folders: readonly string[],
  tell: (message: string) => void = () => {},
): Promise<string> {
  const name = `shown-${await stateOf(folders)}.ext4`
  const path = join(cacheDir, name)
  if (await isAccessible(path)) return path
  await mkdir(cacheDir, { recursive: true, mode: 0o755 })
  const startedAt = Date.now()
  const size = await measure(folders)
  tell(
    `making the image of the host's programs that microVMs see, ${size.sizeMb} MiB: once, and again when they change; takes from some ten seconds to minutes`,
  )
  await build(path, folders, size)
  tell(`the image of the host's programs is made, in ${Math.round((Date.now() - startedAt) / 1000)} s`)
  // Machines that run on an older one have it open.
  for (const other of await readdir(cacheDir)) {
    if (other.startsWith('shown-') && other !== name) await rm(join(cacheDir, other), { recursive: true, force: true })
  }
  return path
}

/** What tells an image from every other: its file system's own number, which each gets when it is made. */
export async function imageId(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer } = await file.read({ buffer: Buffer.alloc(16), position: superblock + uuidOffset })
    return buffer.toString('hex')
  } finally {
    await file.close()
  }
}

/** Changes when a package is installed or a program is put where programs are put. */
async function stateOf(folders: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  const note = async (path: string, depth: number): Promise<void> => {
    const found = await stat(path).catch(() => undefined)
    if (!found) return
    hash.update(`${path} ${found.mtimeMs} ${found.size}\n`)
    if (depth === 0 || !found.isDirectory()) return
    for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory()) await note(join(path, entry.name), depth - 1)
    }
  }
  for (const path of ['/var/lib/dpkg/status', '/lib/apk/db/installed', '/var/lib/rpm']) await note(path, 0)
  for (const folder of folders) await note(folder, 2)
  return hash.digest('hex').slice(0, 16)
}

/** In a mount namespace of its own, which goes with the command: the folders are gathered by bind mounts. */
async function build(
  path: string,
  folders: readonly string[],
  { sizeMb, files }: { sizeMb: number; files: number },
): Promise<void> {
  const id = newId('d')
  const draft = `${path}.${id}.draft`
  const stage = `${path}.${id}.stage.draft`
  try {
    const free = await statfs(join(path, '..'))
    if ((free.bavail * free.bsize) / mebibyte < sizeMb + 512) {
      throw new WarrenError('limit_exceeded', `an image of the host's programs does not fit: it takes ${sizeMb} MiB`, {
        hint: 'Make room where WARREN_HOME is.',
      })
    }
    await mkdir(stage, { mode: 0o755 })
    for (const folder of folders) await mkdir(join(stage, folder), { recursive: true })
    await writeFile(join(stage, '.shown'), folders.map((folder) => `${folder}\n`).join(''))
    await writeFile(draft, '', { mode: 0o644 })
    await truncate(draft, sizeMb * mebibyte)
    const script = `set -e; stage=$1; draft=$2; files=$3; shift 3
      for folder; do mount --bind "$folder" "$stage$folder"; done
      exec mkfs.ext4 -q -F -O ^has_journal,^resize_inode -E lazy_itable_init=1,nodiscard -m 0 -N "$files" -d "$stage" "$draft"`
    const made = await runCommand(
      ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh', stage, draft, String(files), ...folders],
      { timeoutMs: buildMs },
    )
    if (!made.ok)
      throw new WarrenError(
        'unavailable',
        `the image of the host's programs could not be made: mkfs.ext4 ${made.failure}`,
      )
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
    await rm(stage, { recursive: true, force: true })
  }
}

/** What the folders take as a file system, and how many files they hold; both with room to spare. */
async function measure(folders: readonly string[]): Promise<{ sizeMb: number; files: number }> {
  const size = await runCommand(['du', '-smc', ...folders], { timeoutMs: buildMs })
  const inodes = await runCommand(['du', '-sc', '--inodes', ...folders], { timeoutMs: buildMs })
  const total = (output: string) => Number(/^(\d+)\ttotal$/m.exec(output)?.[1] ?? 0)
  const files = Math.ceil(total(inodes.stdout) * 1.1) + 1024
  // An inode is 256 bytes.
  return { sizeMb: Math.ceil(total(size.stdout) * 1.1 + files / 4096) + 256, files }
}
