import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { runCommand } from '../../lib/run-command.ts'
import { step } from '../../lib/step.ts'
import type { LayerStore } from './layer-store.ts'

/** The folder of the layer that holds the packages. */
export const packagesFolder = '/.packages'
const fetchMs = 1_800_000

/**
 * Makes a layer of the files of Debian packages: these, all that they need, and what every Debian has. The host's own apt
 * fetches them, from where the host has its packages, checks their signatures, and neither unpacks nor runs anything.
 * Throws `unavailable` where there is no apt, or the packages cannot be had.
 */
export async function fetchDebianPackages(
  { layers, cacheDir }: { layers: LayerStore; cacheDir: string },
  packages: readonly string[],
  { onProgress, signal }: { onProgress: (message: string) => void; signal: AbortSignal },
): Promise<string> {
  const folder = join(cacheDir, 'apt')
  await step('packages.folder', folder, async () => {
    // Apt's own lists and archives, kept so that the next time is short.
    for (const path of ['state/lists/partial', 'cache/archives/partial'])
      await mkdir(join(folder, path), { recursive: true, mode: 0o700 })
    await rm(join(folder, 'cache/archives'), { recursive: true })
    await mkdir(join(folder, 'cache/archives/partial'), { recursive: true })
    await writeFile(join(folder, 'status'), '')
  })
  const apt = async (...argv: string[]) => {
    const settings = [
      `Dir::State=${folder}/state`,
      `Dir::State::status=${folder}/status`,
      `Dir::Cache=${folder}/cache`,
      'APT::Sandbox::User=root',
      'APT::Install-Recommends=false',
      'Acquire::Languages=none',
      'Acquire::Retries=3',
    ]
    const options = settings.flatMap((setting) => ['-o', setting])
    const ran = await step('packages.fetch', argv[0]!, () =>
      runCommand(['apt-get', '-q', '-y', ...options, ...argv], { timeoutMs: fetchMs, signal }),
    )
    signal.throwIfAborted()
    if (!ran.ok)
      throw new WarrenError('unavailable', `the packages cannot be had: apt-get ${ran.failure}`, {
        hint: 'The host needs apt and a way to its package archive.',
      })
  }
  onProgress('Asking the package archive for what it has')
  await apt('update')
  onProgress(`Fetching ${packages.length} packages and what they need`)
  await apt('install', '--download-only', '?essential', ...packages)
  return layerOf(layers, join(folder, 'cache/archives'))
}

async function layerOf(layers: LayerStore, archives: string): Promise<string> {
  const names = (await readdir(archives)).filter((name) => name.endsWith('.deb')).sort()
  const hash = createHash('sha256').update('debian packages')
  for (const name of names) {
    const sum = createHash('sha256').update(await readFile(join(archives, name)))
    hash.update(`${name} ${sum.digest('hex')}\n`)
  }
  const digest = hash.digest('hex')
  if (await layers.has(digest)) return digest
  const draft = await layers.draft()
  await step('layer.copy', draft, async () => {
    const folder = join(draft, packagesFolder)
    await mkdir(folder)
    await chmod(folder, 0o755)
    for (const name of names) {
      await copyFile(join(archives, name), join(folder, name))
      await chmod(join(folder, name), 0o644)
    }
  })
  await layers.commit(draft, digest)
  return digest
}
