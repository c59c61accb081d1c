import * as fs from 'node:fs'
import { join } from 'node:path'
import type { TarHeader } from '../../lib/tar-header.ts'
import type { TarSink } from '../archive/tar-reader.ts'
import { type EntryPath, parseEntryPath, shown, whiteoutOf } from './entry-path.ts'
import type { LayerLimits } from './layer-limits.ts'

/** What the guest's program `layer-marks` has to add, because Node cannot make it: paths below the layer, as latin1. */
export interface LayerMarks {
  hidden: string[]
  opaque: string[]
  pipes: string[]
}

interface Attributes {
  mode: number
  uid: number
  gid: number
  mtime: number
}

/** Directories that images leave out because every one has them, and what these are there. Others are 0755. */
const impliedModes: Record<string, number> = { root: 0o700, tmp: 0o1777, 'var/tmp': 0o1777 }

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
const bytesBetweenLooks = 64 * 1024 ** 2

/**
 * Writes the entries of a layer below `root`, a directory that nobody else changes meanwhile. Everything it does is
 * synchronous: it belongs into a thread of its own. Nothing is written outside of `root`: every directory on the way to an
 * entry is looked at, and a link is never gone through. Owners are the numbers of the layer. Devices and sparse files are
 * refused, extended attributes were passed over by the reader. Throws an Error whose message is the end of a sentence about
 * the layer.
 */
export class LayerWriter implements TarSink {
  readonly #root: string
  readonly #limits: LayerLimits
  /** Paths that are known to be real directories. */
  readonly #folders = new Set<string>([''])
  readonly #attributesOfFolders = new Map<string, Attributes>()
  readonly #pipes = new Map<string, Attributes>()
  readonly #hidden = new Set<string>()
  readonly #opaque = new Set<string>()
  #file: { fd: number; header: TarHeader } | undefined
  #entries = 0
  #bytes = 0
  #bytesToLook = 0

  constructor(root: string, limits: LayerLimits) {
    this.#root = root
    this.#limits = limits
    this.#attributesOfFolders.set('', { mode: 0o755, uid: 0, gid: 0, mtime: 0 })
  }

  get bytes(): number {
    return this.#bytes
  }

  entry(header: TarHeader): boolean {
    if (++this.#entries > this.#limits.entries) throw new Error(`has more than ${this.#limits.entries} entries`)
    // pax's name for a path that has none; a volume's label.
    if (header.type === 'V') return false
    const path = parseEntryPath(header.path)
    const whiteout = whiteoutOf(path)
    if (whiteout) {
      this.#hide(whiteout)
      return false
    }
    if (header.type === '5') this.#makeFolder(path, header)
    else if ('0' === header.type || '7' === header.type) this.#openFile(path, header)
    else if (header.type === '1') this.#link(path, parseEntryPath(header.linkPath))
    else if (header.type === '2') this.#symlink(path, header)
    else if (header.type === '6') this.#addPipe(path, header)
    else throw new Error(`has ${kinds[header.type] ?? 'an entry of an unknown kind'} in it: ${shown(header.path)}`)
    return this.#file !== undefined
  }

  content(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#limits.bytes) throw new Error(`is larger than ${this.#limits.bytes} bytes when unpacked`)
    if (this.#bytes > this.#bytesToLook) this.#lookForRoom()
    let at = 0
    while (at < chunk.length) at += fs.writeSync(this.#file!.fd, chunk, at)
  }

  end(): void {
    const { fd, header } = this.#file!
    try {
      fs.fchownSync(fd, header.uid, header.gid)
      // After the owner: changing it clears the set-user-id bit.
      fs.fchmodSync(fd, header.mode)
      fs.futimesSync(fd, header.mtime, header.mtime)
    } finally {
      fs.closeSync(fd)
      this.#file = undefined
    }
  }

  /** After the last entry: what is left to make. A name that is hidden and there again only hides what is below it. */
  marks(): LayerMarks {
    const hidden: string[] = []
    for (const path of this.#hidden) {
      const found = this.#look(path)
      if (found?.isDirectory()) this.#opaque.add(path)
      else if (!found && !this.#pipes.has(path)) hidden.push(path)
    }
    return { hidden, opaque: [...this.#opaque], pipes: [...this.#pipes.keys()] }
  }

  /** After the marks are made: owners and dates of what the marks changed, and of all directories. */
  settle(): void {
    for (const [path, attributes] of this.#pipes) this.#give(path, attributes)
    for (const [path, attributes] of [...this.#attributesOfFolders].reverse()) this.#give(path, attributes)
  }

  /** Closes what a failure left open. */
  close(): void {
    if (this.#file) fs.closeSync(this.#file.fd)
    this.#file = undefined
  }

  #hide({ hides, path }: { hides: 'name' | 'all' | 'nothing'; path: EntryPath }): void {
    if (hides === 'nothing') return
    this.#makeParents(hides === 'all' ? [...path, ''] : path)
    ;(hides === 'all' ? this.#opaque : this.#hidden).add(path.join('/'))
  }

  #makeFolder(path: EntryPath, { mode, uid, gid, mtime }: TarHeader): void {
    const key = path.join('/')
    if (!this.#folders.has(key)) {
      this.#makeParents(path)
      const found = this.#look(key)
      if (found && !found.isDirectory()) fs.unlinkSync(this.#place(key))
      if (!found?.isDirectory()) fs.mkdirSync(this.#place(key), 0o700)
      this.#pipes.delete(key)
      this.#folders.add(key)
    }
    this.#attributesOfFolders.set(key, { mode, uid, gid, mtime })
  }

  #openFile(path: EntryPath, header: TarHeader): void {
    const place = this.#newPlace(path)
    this.#file = { fd: fs.openSync(place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), header }
  }

  #link(path: EntryPath, target: EntryPath): void {
    const key = target.join('/')
    const parent = target.slice(0, -1).join('/')
    const found = this.#folders.has(parent) ? this.#look(key) : undefined
    if (!found || found.isDirectory())
      throw new Error(`has a hard link to ${shown(key)}, which is no file of the same layer`)
    if (path.join('/') === key) return
    const place = this.#newPlace(path)
    fs.linkSync(this.#place(key), place)
  }

  #symlink(path: EntryPath, header: TarHeader): void {
    const { linkPath, uid, gid, mtime } = header
    if (linkPath === '' || linkPath.length > 4095 || linkPath.includes('\0'))
      throw new Error(`has a symbolic link that leads nowhere: ${shown(header.path)}`)
    const place = this.#newPlace(path)
    fs.symlinkSync(Buffer.from(linkPath, 'latin1'), place)
    fs.lchownSync(place, uid, gid)
    fs.lutimesSync(place, mtime, mtime)
  }

  #addPipe(path: EntryPath, { mode, uid, gid, mtime }: TarHeader): void {
    this.#newPlace(path)
    this.#pipes.set(path.join('/'), { mode, uid, gid, mtime })
  }

  /** Where an entry that is no directory can be made: its parents are there, and what had its name is gone. */
  #newPlace(path: EntryPath): Buffer {
    if (path.length === 0) throw new Error('says that its root is no directory')
    this.#makeParents(path)
    const key = path.join('/')
    const place = this.#place(key)
    const found = this.#look(key)
    if (found?.isDirectory()) this.#forgetBelow(key)
    if (found) fs.rmSync(place as unknown as string, { recursive: true })
    this.#pipes.delete(key)
    return place
  }

  #forgetBelow(key: string): void {
    const isBelow = (path: string) => path === key || path.startsWith(`${key}/`)
    for (const known of [this.#folders, this.#attributesOfFolders, this.#pipes, this.#hidden, this.#opaque])
      for (const path of known.keys()) if (isBelow(path)) known.delete(path)
  }

  #makeParents(path: EntryPath): void {
    const parent = path.slice(0, -1).join('/')
    if (this.#folders.has(parent)) return
    for (let depth = 1; depth < path.length; depth++) {
      const key = path.slice(0, depth).join('/')
      if (this.#folders.has(key)) continue
      const found = this.#look(key)
      if (found || this.#pipes.has(key))
        throw new Error(`has an entry below ${shown(key)}, which is no directory of the same layer`)
      fs.mkdirSync(this.#place(key), 0o700)
      this.#folders.add(key)
      this.#attributesOfFolders.set(key, { mode: impliedModes[key] ?? 0o755, uid: 0, gid: 0, mtime: 0 })
    }
  }

  #give(key: string, { mode, uid, gid, mtime }: Attributes): void {
    const place = this.#place(key)
    fs.chownSync(place, uid, gid)
    fs.chmodSync(place, mode)
    fs.utimesSync(place, mtime, mtime)
  }

  #look(key: string): fs.Stats | undefined {
    return fs.lstatSync(this.#place(key), { throwIfNoEntry: false })
  }

  /** Bytes, since the name need not be text. */
  #place(key: string): Buffer {
    return key === ''
      ? Buffer.from(this.#root)
      : Buffer.concat([Buffer.from(join(this.#root, '/')), Buffer.from(key, 'latin1')])
  }

  #lookForRoom(): void {
    this.#bytesToLook = this.#bytes + bytesBetweenLooks
    const { bavail, bsize } = fs.statfsSync(this.#root)
    if (bavail * bsize < this.#limits.freeBytes) throw new Error('does not fit on the disk of this host')
  }
}

const kinds: Record<string, string> = {
  '3': 'a device',
  '4': 'a device',
  D: 'a directory dump of GNU tar',
  M: 'a part of a file of another archive',
  S: 'a sparse file, which is not supported',
}
