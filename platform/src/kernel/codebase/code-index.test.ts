import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { indexed, names, project, threads } from '../../../test/indexed-code.ts'
import { AnalysisCache } from './analysis-cache.ts'
import type { CodeIndex } from './code-index.ts'
import { CodeThreads } from './code-threads.ts'
import { findReferences } from './find-references.ts'
import { findSymbols } from './find-symbols.ts'
import { outlineOf } from './outline.ts'
import { searchCode } from './search-code.ts'
import { selectContext } from './select-context.ts'

const locate = threads.locate.bind(threads)
const referencesTo = async (index: CodeIndex, name: string) =>
  (await findReferences({ index, locate }, { name, most: 100 })).references.map(
    ({ path, line, use }) => `${path}:${line} ${use}`,
  )

describe('questions about code', () => {
  test('find_symbol: the name itself first, then what begins with it, holds it, or has its initials', async () => {
    const { index } = await indexed({
      'a.ts':
        'function parse() {}\nfunction parseFile() {}\nfunction reparse() {}\nfunction partsFor() {}\nclass Parser { parse() {} }',
    })
    const found = (query: string) =>
      findSymbols(index, { query, most: 10 }).map(({ name, within }) => (within ? `${within}.${name}` : name))
    assert.deepEqual(found('parse'), ['parse', 'Parser.parse', 'Parser', 'parseFile', 'reparse'])
    assert.deepEqual(found('Parser.parse'), ['Parser.parse'])
    assert.deepEqual(found('PARSEfile'), ['parseFile'])
    assert.deepEqual(found('partsf'), ['partsFor'])
    assert.deepEqual(found('nothing'), [])
  })

  test('references: code alone, what is near the definition first', async () => {
    const { index } = await indexed(project)
    assert.deepEqual(await referencesTo(index, 'round'), [
      'src/lib/round.ts:2 definition',
      'src/other.ts:1 definition',
      'src/other.ts:2 read',
      'src/shapes/circle.ts:1 import',
      'src/shapes/circle.ts:7 call',
    ])
    assert.deepEqual(await referencesTo(index, 'Circle'), [
      'src/shapes/circle.ts:4 definition',
      'src/index.ts:1 import',
      'src/index.ts:3 call',
    ])
    assert.deepEqual(await referencesTo(index, 'Shape'), [
      'src/shapes/shape.ts:1 definition',
      'src/shapes/circle.ts:2 import',
      'src/shapes/circle.ts:4 type',
    ])
  })

  test('dependents follow imports of each language, circles too', async () => {
    const { index, put } = await indexed({
      ...project,
      'py/pkg/__init__.py': '',
      'py/pkg/a.py': 'from .b import thing\nfrom . import c\nimport pkg.d as d\n',
      'py/pkg/b.py': 'from pkg.a import other\n',
      'py/pkg/c.py': '',
      'py/pkg/d.py': '',
      'rs/src/lib.rs': 'mod wire;\nuse crate::wire::{frame, deep::Thing};\n',
      'rs/src/wire/mod.rs': 'pub mod frame;\npub mod deep;\n',
      'rs/src/wire/frame.rs': 'use super::deep::Thing;\n',
      'rs/src/wire/deep.rs': '',
      'java/com/x/A.java': 'import com.x.y.B;\nclass A {}\n',
      'java/com/x/y/B.java': 'package com.x.y;\npublic class B {}\n',
      'c/main.c': '#include "lib/util.h"\n#include <stdio.h>\nint main() {}\n',
      'c/lib/util.h': 'int util(void);\n',
      'go/main.go': 'package main\nimport "example.com/app/store"\nfunc main() {}\n',
      'go/app/store/store.go': 'package store\n',
    })
    const imports = (path: string) => [...index.graph.importsOf(path)].sort()
    assert.deepEqual(imports('src/index.ts'), ['src/lib/round.ts', 'src/shapes/circle.ts'])
    assert.deepEqual(imports('py/pkg/a.py'), ['py/pkg/b.py', 'py/pkg/__init__.py', 'py/pkg/c.py', 'py/pkg/d.py'].sort())
    assert.deepEqual(imports('py/pkg/b.py'), ['py/pkg/a.py'])
    assert.deepEqual(imports('rs/src/lib.rs'), ['rs/src/wire/deep.rs', 'rs/src/wire/frame.rs', 'rs/src/wire/mod.rs'])
    assert.deepEqual(imports('rs/src/wire/frame.rs'), ['rs/src/wire/deep.rs'])
    assert.deepEqual(imports('java/com/x/A.java'), ['java/com/x/y/B.java'])
    assert.deepEqual(imports('c/main.c'), ['c/lib/util.h'])
    assert.deepEqual(imports('go/main.go'), ['go/app/store/store.go'])
    assert.deepEqual([...index.graph.dependentsOf('src/lib/round.ts', 5)].sort(), [
      ['src/index.ts', 1],
      ['src/shapes/circle.ts', 1],
    ])
    assert.deepEqual([...index.graph.dependentsOf('py/pkg/a.py', 9)], [['py/pkg/b.py', 1]])
    await put({ 'src/index.ts': 'export const nothing = 1\n' })
    assert.deepEqual(imports('src/index.ts'), [])
    await index.update({ changed: [], removed: ['src/lib/round.ts'] })
    assert.deepEqual(imports('src/shapes/circle.ts'), ['src/shapes/shape.ts'])
  })

  test('search finds text in every file, by words and by expressions; one that takes for ever is given up', async () => {
    const { index } = await indexed(project)
    const found = async (search: object) =>
      (await searchCode({ index, threads }, { pattern: '', most: 10, ...search })).map(
        ({ path, line }) => `${path}:${line}`,
      )
    assert.deepEqual(await found({ pattern: 'are round' }), ['readme.md:1'])
    assert.deepEqual(await found({ pattern: 'area(' }), ['src/shapes/circle.ts:6', 'src/shapes/shape.ts:2'])
    assert.deepEqual(await found({ pattern: '^export (const|class) C', regex: true, ignoreCase: true }), [
      'src/index.ts:3',
      'src/shapes/circle.ts:4',
    ])
    assert.deepEqual(await found({ pattern: 'round', path: 'src/lib' }), [
      'src/lib/round.ts:1',
      'src/lib/round.ts:2',
      'src/lib/round.ts:3',
    ])
    const impatient = new CodeThreads({ most: 1, jobMs: 3000 })
    const bytes = Buffer.from('a'.repeat(60))
    const request = { files: [{ id: 1, bytes }], literal: false, ignoreCase: false, most: 1 }
    await assert.rejects(
      impatient
        .search({ ...request, pattern: '(a+)+$|(a|a)*b' })
        .then(() => impatient.search({ ...request, pattern: '(a|a)*b' })),
      /longer than/,
    )
    assert.equal((await impatient.search({ ...request, pattern: 'a{60}' })).length, 1)
    await impatient.close()
  })

  test('context is what the question names, with its comment, within the tokens', async () => {
    const { index } = await indexed(project)
    const countTokens = (text: string) => Math.ceil(text.length / 4)
    const pieces = await selectContext(
      { index, countTokens },
      { question: 'How is the area of a Circle rounded?', budget: 400 },
    )
    assert.equal(pieces[0]!.path, 'src/shapes/circle.ts')
    assert.match(pieces[0]!.text, /^\/\*\* A circle[\s\S]*\n}$/)
    assert.ok(pieces.some(({ path }) => path === 'src/lib/round.ts'))
    for (const budget of [30, 60, 100, 1000]) {
      const chosen = await selectContext({ index, countTokens }, { question: 'area of a circle, rounded', budget })
      assert.ok(chosen.reduce((sum, { text }) => sum + countTokens(text) + 20, 0) <= budget)
    }
    assert.deepEqual(await selectContext({ index, countTokens }, { question: 'zebra', budget: 400 }), [])
  })

  test('an outline has the first lines of what is defined', async () => {
    const { index } = await indexed(project)
    const path = 'src/shapes/circle.ts'
    assert.deepEqual(outlineOf(index.files.get(path)!, await index.contentOf(path), { most: 10 }), [
      '    4  export class Circle implements Shape {',
      '    5    constructor(readonly radius: number) {}',
      '    6    area(): number {',
    ])
  })
})

describe('the cache', () => {
  test('has what was found before, and what is damaged is found anew', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'warren-code-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const first = new AnalysisCache(folder)
    const wanted = names((await indexed(project, { cache: first })).index, 'src/shapes/circle.ts')
    await first.flush()
    const key = AnalysisCache.keyOf('typescript', Buffer.from(project['src/shapes/circle.ts']))
    assert.ok(await new AnalysisCache(folder).get(key))
    assert.equal(await new AnalysisCache(folder).get('typescript-0'), undefined)

    const [pack] = await readdir(folder)
    const whole = await readFile(join(folder, pack!))
    for (let at = 0; at < whole.length; at += 97) {
      const damaged = Buffer.from(whole)
      damaged[at]! ^= 0x55
      await writeFile(join(folder, pack!), at % 2 ? damaged : damaged.subarray(0, at))
      const cache = new AnalysisCache(folder)
      const { index } = at % 970 === 0 ? await indexed(project, { cache }) : { index: undefined }
      if (index) assert.deepEqual(names(index, 'src/shapes/circle.ts'), wanted)
      else await cache.get(key)
      await cache.flush()
      for (const name of await readdir(folder)) if (name !== pack) await rm(join(folder, name))
    }
  })
})
