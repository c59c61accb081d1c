import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { TarReader } from '../../../platform/src/templates/archive/tar-reader.ts'
import { parseIgnore } from './ignore.ts'
import { type ContextEntry, listContext } from './list-context.ts'
import { bytesOf, hashFiles, packFiles } from './pack-files.ts'
import { selectFiles } from './select-files.ts'

function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'warren-context-'))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

const paths = (entries: ContextEntry[]) => entries.map(({ path }) => path)

test('.dockerignore: patterns, folders, exceptions and the last one that fits', () => {
  const ignores = (text: string, path: string) => parseIgnore(text).isIgnored(path)
  const ignored: [string, string][] = [
    ['node_modules', 'node_modules/a/b'],
    ['/build/', 'build/x'],
    ['*.log', 'a.log'],
    ['**/*.log', 'a.log'],
    ['**/*.log', 'deep/er/a.log'],
    ['docs/**', 'docs/a/b'],
    ['a/**/z', 'a/z'],
    ['a/**/z', 'a/b/c/z'],
    ['file?', 'file1'],
    ['[a-c].txt', 'b.txt'],
    ['[^a-c].txt', 'd.txt'],
    ['a\\*b', 'a*b'],
    ['./x/../y', 'y'],
    ['*', 'anything/at/all'],
    ['*\n!keep\nkeep/not', 'keep/not'],
    ['a+b(c)', 'a+b(c)'],
  ]
  for (const [text, path] of ignored) assert.ok(ignores(text, path), `${text} leaves ${path} out`)
  const kept: [string, string][] = [
    ['', 'a'],
    ['# a', 'a'],
    ['*.log', 'deep/a.log'],
    ['node_modules', 'my_node_modules'],
    ['node_modules', 'sub/node_modules'],
    ['file?', 'file12'],
    ['*\n!keep', 'keep/x'],
    ['a\\*b', 'axb'],
    ['.', 'a'],
    ['a.c', 'abc'],
  ]
  for (const [text, path] of kept) assert.ok(!ignores(text, path), `${text} keeps ${path}`)
})

test('a folder is listed without what is ignored; links stay links', async () => {
  const folder = folderOf({
    'a/b/c': 'c',
    'a/skip/x': 'x',
    'a/skip/keep': 'k',
    top: 't',
    '.dockerignore': 'a/skip\n!a/skip/keep\n',
  })
  symlinkSync('/etc/passwd', join(folder, 'link'))
  const found = await listContext(folder)
  assert.deepEqual(paths(found), ['.dockerignore', 'a', 'a/b', 'a/b/c', 'a/skip/keep', 'link', 'top'])
  assert.deepEqual(found.find(({ path }) => path === 'link')?.target, '/etc/passwd')
  assert.equal(bytesOf(found), 20 + 3)
  writeFileSync(join(folder, 'Other.dockerignore'), '*')
  assert.deepEqual(await listContext(folder, 'Other'), [])
  await assert.rejects(listContext(join(folder, 'top')), { code: 'ENOTDIR' })
  rmSync(folder, { recursive: true })
})

test('the sources of a COPY choose files, with what is below them', async () => {
  const folder = folderOf({
    'src/a.ts': '',
    'src/deep/b.ts': '',
    'test/a.ts': '',
    'package.json': '',
    'package-lock.json': '',
  })
  const entries = await listContext(folder)
  const select = (...sources: string[]) => paths(selectFiles(entries, sources).selected)
  assert.deepEqual(select('.'), paths(entries))
  assert.deepEqual(select('/'), paths(entries))
  assert.deepEqual(select('src/'), ['src', 'src/a.ts', 'src/deep', 'src/deep/b.ts'])
  assert.deepEqual(select('package*.json'), ['package-lock.json', 'package.json'])
  assert.deepEqual(select('*/a.ts', './package.json'), ['package.json', 'src/a.ts', 'test/a.ts'])
  assert.equal(selectFiles(entries, ['src', 'nothing']).missing, 'nothing')
  assert.equal(selectFiles(entries, ['../out']).missing, '../out')
  rmSync(folder, { recursive: true })
})

test('an archive holds the files as they are, and says how far it is', async () => {
  const long = `${'long/'.repeat(30)}größe`
  const folder = folderOf({ empty: '', run: '#!/bin/sh\n', [long]: 'deep', big: 'b'.repeat(1_000_000) })
  chmodSync(join(folder, 'run'), 0o755)
  symlinkSync('nowhere', join(folder, 'link'))
  const entries = await listContext(folder)
  let told = 0
  const archive = gunzipSync(await buffer(packFiles(folder, entries, (bytes) => (told = bytes))))
  assert.equal(told, bytesOf(entries))
  const found: Record<string, [mode: number, type: string, bytes: number, link: string]> = {}
  let last = ''
  const reader = new TarReader({
    entry: ({ path, mode, type, linkPath }) => {
      last = Buffer.from(path, 'latin1').toString()
      found[last] = [mode, type, 0, linkPath]
      return type === '0'
    },
    content: (chunk) => {
      found[last]![2] += chunk.length
    },
    end: () => {},
  })
  reader.push(archive)
  reader.finish()
  assert.deepEqual(found.run, [0o755, '0', 10, ''])
  assert.deepEqual(found.link, [0o777, '2', 0, 'nowhere'])
  assert.deepEqual(found.big?.slice(1, 3), ['0', 1_000_000])
  assert.deepEqual(found[long]?.slice(1, 3), ['0', 4])
  rmSync(folder, { recursive: true })
})

test('the checksum is of names, modes and contents, not of dates', async () => {
  const folder = folderOf({ a: 'one', b: 'two' })
  const hash = async () => hashFiles(folder, await listContext(folder))
  const first = await hash()
  assert.match(first, /^[0-9a-f]{64}$/)
  utimesSync(join(folder, 'a'), 1, 1)
  assert.equal(await hash(), first)
  const seen = new Set([first])
  for (const change of [
    () => writeFileSync(join(folder, 'a'), 'onE'),
    () => chmodSync(join(folder, 'a'), 0o700),
    () => writeFileSync(join(folder, 'c'), ''),
    () => symlinkSync('a', join(folder, 'd')),
    () => mkdirSync(join(folder, 'e')),
  ]) {
    change()
    const next = await hash()
    assert.ok(!seen.has(next))
    seen.add(next)
  }
  rmSync(folder, { recursive: true })
})

test('a file that changes while it is packed is told, not packed wrong', async () => {
  const folder = folderOf({ a: 'x'.repeat(1000) })
  const entries = await listContext(folder)
  writeFileSync(join(folder, 'a'), 'short')
  await assert.rejects(buffer(packFiles(folder, entries)), { code: 'conflict' })
  rmSync(folder, { recursive: true })
})
