import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { TarHeader } from '../../src/lib/tar-header.ts'
import { endOfArchive, headerBlocks, padding } from '../../src/templates/archive/tar-writer.ts'

export type Entry = Partial<TarHeader> & { path: string; content?: string | Buffer }

/** A tar archive of these entries. What is not said of one is a file of root, or a directory where its path ends in "/". */
export function tar(entries: Entry[]): Buffer {
  const parts = entries.flatMap(({ content = '', ...header }) => {
    const data = Buffer.from(content)
    const isFolder = header.path.endsWith('/')
    const whole: TarHeader = {
      mode: isFolder ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size: data.length,
      mtime: 1_700_000_000,
      type: isFolder ? '5' : '0',
      linkPath: '',
      ...header,
      path: Buffer.from(header.path).toString('latin1'),
    }
    return [headerBlocks(whole), data, padding(data.length)]
  })
  return Buffer.concat([...parts, endOfArchive])
}

export interface Layer {
  mediaType: string
  content: Buffer
  /** Of the archive before it was compressed. */
  diffId: string
}

const base = 'application/vnd.oci.image.layer.v1.tar'

export function layer(archive: Entry[] | Buffer, compression: 'gzip' | 'zstd' | 'none' | 'docker' = 'gzip'): Layer {
  const plain = Buffer.isBuffer(archive) ? archive : tar(archive)
  const compress = { gzip: gzipSync, docker: gzipSync, zstd: zstdCompressSync, none: (data: Buffer) => data }[
    compression
  ]
  const mediaType = {
    gzip: `${base}+gzip`,
    zstd: `${base}+zstd`,
    none: base,
    docker: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  }[compression]
  return { mediaType, content: compress(plain), diffId: sha256(plain) }
}

export function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
