import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { atomicWrite } from '../../lib/atomic-write.ts'
import { newId } from '../../lib/id.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { step } from '../../lib/step.ts'
import type { Rootfs } from '../driver.ts'
import { inside } from '../network/messages.ts'
import { fetchDebianPackages } from './debian-packages.ts'
import type { LayerStore } from './layer-store.ts'
import { StepCache } from './step-cache.ts'

/** What a built template is made of. */
export interface Image {
  /** Digests, the topmost first. */
  layers: string[]
  /** Whether `base` lies below them, with what it shows of the host. */
  onBase: boolean
  /** Who runs commands where nobody is named. */
  user: string
  /** Where they run. */
  workdir?: string
  env: Record<string, string>
  /** What its Dockerfile says to start. */
  startCommand?: string
}

interface ImagesOptions {
  imagesDir: string
  /** Of what can be fetched again. */
  cacheDir: string
  base: Promise<Rootfs>
  /** As `base`, and with the programs that functions are run by. */
  functions: Promise<Rootfs>
  layers: LayerStore
}

/** What functions run in. No build has such a name. */
export const functionsTemplate = '.functions'
/** Raise when what is made below changes. */
const version = 1
/** More than this the kernel mounts over each other, but takes long. */
const mostLayers = 200

/** The roots of templates: that of `base`, and those of what has been built, each in a small file named like the build. */
export class Images {
  readonly #imagesDir: string
  readonly #cacheDir: string
  readonly #base: Promise<Rootfs>
  readonly #functions: Promise<Rootfs>
  readonly layers: LayerStore
  readonly steps: StepCache
  readonly #made = new Map<string, Promise<string>>()
  readonly #known = new Map<string, Image>()

  private constructor(given: ImagesOptions, steps: StepCache) {
    this.#imagesDir = given.imagesDir
    this.#cacheDir = given.cacheDir
    this.#base = given.base
    this.#functions = given.functions
    this.layers = given.layers
    this.steps = steps
  }

  static async open(given: ImagesOptions): Promise<Images> {
    const images = new Images(given, await StepCache.open(given.imagesDir, given.layers))
    await step('home.make', images.#folder, () => mkdir(images.#folder, { recursive: true, mode: 0o700 }))
    return images
  }

  /** The root of `base`, of what functions run in, or of a build. Rejects `not_found` for others. */
  async rootfs(template: string): Promise<Rootfs> {
    if (template === functionsTemplate) return this.#functions
    return template === 'base' ? this.#base : this.rootfsOf(await this.read(template))
  }

  async rootfsOf(image: Image): Promise<Rootfs> {
    const { agent, readOnly } = await this.#base
    if (image.layers.length > mostLayers)
      throw new WarrenError(
        'limit_exceeded',
        `a template has at most ${mostLayers} layers, this one ${image.layers.length}`,
      )
    // What is in one that comes twice is seen at the upper place.
    const paths = [...new Set(image.layers)].map((digest) => this.layers.path(digest))
    for (const path of paths)
      if (!(await isAccessible(path)))
        throw new WarrenError('unavailable', `layer ${basename(path)} of the template is missing`, {
          hint: 'Build the template again.',
        })
    const made = [this.#once(`prelude-${version}`, makePrelude)]
    if (image.onBase) made.push(this.#baseLayer())
    const [prelude, base] = await Promise.all(made)
    return {
      skeleton: await this.#once(`layered-${version}`, makeEmpty),
      readOnly: image.onBase ? readOnly : [],
      layers: [prelude!, ...paths, ...(base ? [base] : [])],
      user: image.user,
      ...(image.workdir === undefined ? {} : { workdir: image.workdir }),
      env: image.env,
      ...(agent === undefined ? {} : { agent }),
    }
  }

  /** From here on sandboxes can start from it. */
  async record(build: string, image: Image): Promise<void> {
    await step('image.record', build, () => atomicWrite(this.#file(build), JSON.stringify(image)))
  }

  async read(build: string): Promise<Image> {
    const known = this.#known.get(build)
    if (known) return known
    const text = /^[a-z0-9-]{1,64}$/.test(build)
      ? await readFile(this.#file(build), 'utf8').catch(() => undefined)
      : undefined
    if (text === undefined) throw new WarrenError('not_found', `there is no template "${build.slice(0, 64)}"`)
    const image = JSON.parse(text) as Image
    this.#known.set(build, image)
    return image
  }

  /** Removes every build that is not in `builds`, and every layer that none of the rest and none of `layers` needs. */
  async keepOnly({ builds, layers }: { builds: ReadonlySet<string>; layers: Iterable<string> }): Promise<string[]> {
    const kept = new Set(layers)
    for (const name of await readdir(this.#folder)) {
      const build = name.replace(/\.json$/, '')
      if (builds.has(build)) for (const digest of (await this.read(build)).layers) kept.add(digest)
      else {
        this.#known.delete(build)
        await step('image.forget', build, () => rm(join(this.#folder, name), { force: true }))
      }
    }
    return this.layers.keepOnly(kept)
  }

  /** A layer of the files of Debian packages, to be unpacked. */
  fetchPackages(
    packages: readonly string[],
    options: { onProgress: (message: string) => void; signal: AbortSignal },
  ): Promise<string> {
    return fetchDebianPackages({ layers: this.layers, cacheDir: this.#cacheDir }, packages, options)
  }

  get #folder(): string {
    return join(this.#imagesDir, 'built')
  }

  #file(build: string): string {
    return join(this.#folder, `${build}.json`)
  }

  async #baseLayer(): Promise<string> {
    const { skeleton } = await this.#base
    return this.#once(`${basename(skeleton)}.layer`, (draft) => copyWithOwners(skeleton, draft))
  }

  /** Makes a folder that is there whole or not at all. */
  #once(name: string, make: (draft: string) => Promise<void>): Promise<string> {
    const making = this.#made.get(name) ?? this.#make(join(this.#imagesDir, name), make)
    this.#made.set(name, making)
    making.catch(() => this.#made.delete(name))
    return making
  }

  async #make(path: string, make: (draft: string) => Promise<void>): Promise<string> {
    if (await isAccessible(path)) return path
    const draft = `${path}.${newId('d')}.draft`
    await step('image.build', path, async () => {
      await mkdir(draft)
      await chmod(draft, 0o755)
      await make(draft)
      await rename(draft, path)
    })
    return path
  }
}

/** What a disk looks like that is laid over layers. */
async function makeEmpty(root: string): Promise<void> {
  for (const name of ['upper', 'work']) {
    await mkdir(join(root, name))
    await chmod(join(root, name), 0o755)
  }
}

/** What every sandbox finds whatever its template says, as the platform's network has it. */
async function makePrelude(root: string): Promise<void> {
  const folders: [string, number][] = [
    ['.warren', 0o755],
    ['.warren/bin', 0o755],
    ['.warren/host', 0o755],
    ['dev', 0o755],
    ['etc', 0o755],
    ['proc', 0o555],
    ['run', 0o755],
    ['sys', 0o555],
    ['tmp', 0o1777],
  ]
  for (const [path, mode] of folders) {
    await mkdir(join(root, path))
    await chmod(join(root, path), mode)
  }
  await writeFile(join(root, '.warren/guest'), '', { mode: 0o755 })
  await symlink('/.warren/guest', join(root, '.warren/bin/sudo'))
  const files = {
    hostname: 'sandbox\n',
    hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
    'resolv.conf': `nameserver ${inside.gateway}\noptions timeout:3 attempts:2\n`,
  }
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(root, 'etc', name), content)
    await chmod(join(root, 'etc', name), 0o644)
  }
  await symlink('/proc/self/mounts', join(root, 'etc/mtab'))
}

/** A skeleton as a layer: its files belong to whom its list says. */
async function copyWithOwners(skeleton: string, draft: string): Promise<void> {
  await cp(skeleton, draft, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  await copyModes(skeleton, draft)
  const owners = await readFile(join(skeleton, '.owners'), 'utf8')
  for (const line of owners.split('\n').filter(Boolean)) {
    const [, path, uid, gid] = /^(.*) (\d+) (\d+)$/.exec(line) ?? []
    await chown(join(draft, path!), Number(uid), Number(gid))
  }
  await unlink(join(draft, '.owners'))
}

/** `cp` leaves out of the modes of folders what our mask takes away. Links are not followed: some lead to the host's. */
async function copyModes(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isSymbolicLink()) continue
    await chmod(target, (await lstat(source)).mode & 0o7777)
    if (entry.isDirectory()) await copyModes(source, target)
  }
}
