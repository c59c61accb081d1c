import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { blockSize, encodeHeader, type TarHeader } from '../../lib/tar-header.ts'
import { TarReader } from './tar-reader.ts'
import { endOfArchive, headerBlocks, padding } from './tar-writer.ts'

interface Read {
  header: TarHeader
  content: string
  ended: boolean
}

/** Reads in pieces of `piece` bytes. */
function readAll(archive: Buffer, piece = archive.length || 1): Read[] {
  const found: Read[] = []
  const reader = new TarReader({
    entry: (header) => {
      found.push({ header, content: '', ended: false })
      return header.type === '0'
    },
    content: (chunk) => {
      found.at(-1)!.content += chunk.toString('latin1')
    },
    end: () => {
      found.at(-1)!.ended = true
    },
  })
  for (let at = 0; at < archive.length; at += piece) reader.push(archive.subarray(at, at + piece))
  reader.finish()
  return found
}

function entry(path: string, content = '', more: Partial<TarHeader> = {}): Buffer {
  const header = { path, mode: 0o644, uid: 1, gid: 2, size: content.length, mtime: 3, type: '0', linkPath: '', ...more }
  return Buffer.concat([headerBlocks(header), Buffer.from(content, 'latin1'), padding(content.length)])
}

function special(type: string, content: string): Buffer {
  const header = { path: 'x', mode: 0, uid: 0, gid: 0, size: content.length, mtime: 0, type, linkPath: '' }
  return Buffer.concat([encodeHeader(header), Buffer.from(content, 'latin1'), padding(content.length)])
}

test('what the writer writes is read, in pieces of any size', () => {
  const long = `${'folder/'.repeat(40)}file`
  const archive = Buffer.concat([
    entry('empty'),
    entry('small', 'abc'),
    entry('block', 'b'.repeat(blockSize)),
    entry(long, 'long name'),
    entry('folder/', '', { type: '5' }),
    entry('link', '', { type: '2', linkPath: long }),
    entry('huge-id', 'x', { uid: 3_000_000_000, gid: 4_000_000_000, mtime: 8 ** 11 }),
    endOfArchive,
  ])
  const whole = readAll(archive)
  assert.deepEqual(
    whole.map(({ header, content }) => [header.path, header.type, content.length]),
    [
      ['empty', '0', 0],
      ['small', '0', 3],
      ['block', '0', 512],
      [long, '0', 9],
      ['folder/', '5', 0],
      ['link', '2', 0],
      ['huge-id', '0', 1],
    ],
  )
  assert.ok(whole.every(({ header, ended }) => ended === (header.type === '0')))
  assert.equal(whole[5]!.header.linkPath, long)
  assert.deepEqual([whole[6]!.header.uid, whole[6]!.header.gid, whole[6]!.header.mtime], [3e9, 4e9, 8 ** 11])
  for (const piece of [1, 7, 511, 512, 513, 4096]) assert.deepEqual(readAll(archive, piece), whole)
})

test("GNU's long names, pax records and the prefix of ustar", () => {
  const prefixed = encodeHeader({ path: 'name', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, type: '0', linkPath: '' })
  prefixed.write('some/prefix', 345)
  prefixed.fill(' ', 148, 156)
  prefixed.write(
    `${prefixed
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  const found = readAll(
    Buffer.concat([
      special('L', `${'n'.repeat(200)}\0`),
      special('K', `${'t'.repeat(200)}\0`),
      entry('short', '', { type: '2', linkPath: 'short' }),
      special('x', '22 SCHILY.xattr.a=b\x00c\n13 size=0004\n20 mtime=1600000000\n'),
      entry('sized', 'four'),
      prefixed,
      special('g', '19 comment=nothing\n'),
      entry('after'),
    ]),
  )
  assert.deepEqual(
    found.map(({ header: { path, linkPath } }) => [path, linkPath]),
    [
      ['n'.repeat(200), 't'.repeat(200)],
      ['sized', ''],
      ['some/prefix/name', ''],
      ['after', ''],
    ],
  )
  assert.equal(found[1]!.content, 'four')
  assert.equal(found[1]!.header.mtime, 1_600_000_000)
})

test('what is malformed is refused', () => {
  const hostile: [Buffer, RegExp][] = [
    [Buffer.alloc(blockSize, 1), /number that is none|checksum/],
    [entry('cut', 'content').subarray(0, 600), /middle of an entry/],
    [special('x', '12 path=a\n'), /malformed/],
    [special('x', '999999 path=a\n'), /malformed/],
    [special('x', 'path=a\n'), /malformed/],
    [special('x', '11 path=ab\n'), /middle of an entry/],
    [special('x', '9 size=x\n'), /no number/],
    [special('x', '22 GNU.sparse.major=1\n'), /sparse/],
    [special('g', '10 path=a\n'), /changes all entries/],
    [special('L', 'n'.repeat(2 * 1024 * 1024)), /a header of/],
    [Buffer.concat([special('x', '10 path=a\n'), endOfArchive]), /middle of an entry/],
  ]
  for (const [archive, says] of hostile) assert.throws(() => readAll(archive), says)
})

test('any bytes are read or refused with a sentence, and never more comes out than went in', () => {
  const good = Buffer.concat([
    entry('a', 'aaaa'),
    special('x', '10 path=b\n'),
    entry('c', 'c'.repeat(700)),
    endOfArchive,
  ])
  for (let round = 0; round < 3000; round++) {
    const bad = Buffer.from(good)
    for (let i = randomInt(1, 6); i > 0; i--) bad[randomInt(bad.length)] = randomInt(256)
    try {
      const read = readAll(bad.subarray(0, randomInt(1, bad.length + 1)), randomInt(1, 2000))
      assert.ok(read.reduce((sum, { content }) => sum + content.length, 0) <= bad.length)
    } catch (error) {
      assert.ok(error instanceof Error && /^(has|ends) /.test(error.message), String(error))
    }
  }
})
