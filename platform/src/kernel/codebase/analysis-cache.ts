import { hash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize } from 'node:v8'
import { absentIsFine } from '../../lib/absent-is-fine.ts'
import { step } from '../../lib/step.ts'
import type { Analysis } from './analysis.ts'

/** Of what is kept, and of the queries and the grammars it was made with: another one is not read. */
const version = 'warren-code-1'
const mostBytes = 128 * 1024 * 1024
const mostPacks = 64
const flushMs = 2000

interface Place {
  pack: string
  offset: number
  length: number
  digest: string
}

/**
 * What was found in files, by their content, on the disk. Nothing in it is needed: what is damaged, or gone, is found anew. Many are
 * written at once, as one file that gets its name when it is whole and does not change; the oldest go when there is too much.
 */
export class AnalysisCache {
  readonly #folder: string
  readonly #places = new Map<string, Place>()
  readonly #waiting = new Map<string, Uint8Array>()
  readonly #opened: Promise<void>
  #writing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  constructor(folder: string) {
    this.#folder = folder
    this.#opened = this.#open().catch(() => {})
  }

  /** The name that the analysis of a content is kept by. */
  static keyOf(language: string, bytes: Uint8Array): string {
    return `${language}-${hash('sha256', bytes, 'hex')}`
  }

  async get(key: string): Promise<Analysis | undefined> {
    await this.#opened
    const waiting = this.#waiting.get(key)
    if (waiting) return deserialize(waiting)
    const place = this.#places.get(key)
    if (!place) return undefined
    try {
      const packed = await readAt(join(this.#folder, place.pack), place)
      if (hash('sha256', packed, 'hex') === place.digest) return deserialize(packed)
    } catch {
      // Damaged or gone: as if it had never been there.
    }
    this.#places.delete(key)
    return undefined
  }

  put(key: string, packed: Uint8Array): void {
    if (this.#places.has(key)) return
    this.#waiting.set(key, packed)
    this.#timer ??= setTimeout(() => void this.flush(), flushMs).unref()
  }

  /** Writes what waits. What cannot be written is found anew the next time. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#write()).catch(() => {})
    return this.#writing
  }

  async #open(): Promise<void> {
    const names = (await readdir(this.#folder).catch(absentIsFine)) ?? []
    for (const name of names.filter((each) => each.endsWith('.pack')).sort()) {
      try {
        for (const [key, place] of await readDirectory(this.#folder, name)) this.#places.set(key, place)
      } catch {
        await step('code.forget', name, () => rm(join(this.#folder, name), { force: true }))
      }
    }
    for (const name of names.filter((each) => each.endsWith('.draft')))
      await step('code.forget', name, () => rm(join(this.#folder, name), { force: true }))
  }

  async #write(): Promise<void> {
    await this.#opened
    const entries = [...this.#waiting]
    if (entries.length === 0) return
    const { bytes, places } = packOf(entries)
    const name = `${Date.now().toString(36).padStart(10, '0')}-${randomUUID().slice(0, 8)}.pack`
    const draft = join(this.#folder, `${name}.draft`)
    await step('code.keep', name, async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await writeFile(draft, bytes, { mode: 0o600 })
      await rename(draft, join(this.#folder, name))
    })
    for (const [key, place] of places) this.#places.set(key, { ...place, pack: name })
    for (const [key, packed] of entries) if (this.#waiting.get(key) === packed) this.#waiting.delete(key)
    await this.#shrink()
  }

  async #shrink(): Promise<void> {
    const names = (await readdir(this.#folder)).filter((each) => each.endsWith('.pack')).sort()
    let [bytes, packs] = [0, 0]
    for (const name of names.reverse()) {
      bytes += (await stat(join(this.#folder, name))).size
      if (++packs === 1 || (packs <= mostPacks && bytes <= mostBytes)) continue
      await step('code.forget', name, () => rm(join(this.#folder, name), { force: true }))
      for (const [key, { pack }] of this.#places) if (pack === name) this.#places.delete(key)
    }
  }
}

/** A line that says how long the directory is and what its digest is, the directory, then the entries one behind the other. */
function packOf(entries: readonly [string, Uint8Array][]) {
  let offset = 0
  const places = entries.map(([key, packed]): [string, Omit<Place, 'pack'>] => {
    const place = { offset, length: packed.length, digest: hash('sha256', packed, 'hex') }
    offset += packed.length
    return [key, place]
  })
  const directory = Buffer.from(JSON.stringify(places))
  const head = Buffer.from(`${version} ${directory.length} ${hash('sha256', directory, 'hex')}\n`)
  const first = head.length + directory.length
  return {
    bytes: Buffer.concat([head, directory, ...entries.map(([, packed]) => packed)]),
    places: places.map(([key, place]) => [key, { ...place, offset: first + place.offset }] as const),
  }
}

async function readDirectory(folder: string, pack: string): Promise<[string, Place][]> {
  const path = join(folder, pack)
  const { size } = await stat(path)
  const head = await readAt(path, { offset: 0, length: Math.min(size, 128) })
  const end = head.indexOf(10)
  const [its, length, digest] = head.toString('latin1', 0, Math.max(0, end)).split(' ')
  const first = end + 1 + Number(length)
  if (its !== version || !(first <= size)) throw new Error('it is none of ours')
  const directory = await readAt(path, { offset: end + 1, length: Number(length) })
  if (hash('sha256', directory, 'hex') !== digest) throw new Error('it is damaged')
  const places: [string, Place][] = JSON.parse(directory.toString())
  return places.map(([key, place]) => [key, { ...place, pack, offset: first + place.offset }])
}

async function readAt(path: string, { offset, length }: Pick<Place, 'offset' | 'length'>): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, offset)
    return buffer
  } finally {
    await file.close()
  }
}
