import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { indexed, names, threads } from '../../../test/indexed-code.ts'
import { CodeThreads } from './code-threads.ts'
import { Contents } from './contents.ts'
import { findSymbols } from './find-symbols.ts'
import { searchCode } from './search-code.ts'

const declarations = `
/** A place for things; {braces} and a 'quote' in a comment. */
export class Shelf<T extends object = object> {
  #held = new Map<string, T>()
  readonly width: number

  constructor(width: number) {
    this.width = width
  }

  get size(): number {
    return this.#held.size
  }

  async put(name: string, thing: T): Promise<void> {
    for (const [key] of this.#held) {
      if (key === name) throw new Error(\`\${name} is { there }, \${[1, 2].map((n) => \`\${n}\`)}\`)
    }
    this.#held.set(name.replace(/[{}\\/]/g, ''), thing)
  }
}

export interface place {
  shelf: Shelf
  at: number
}

export function find(all: readonly place[], at: number): place | undefined {
  const inner = (one: place) => {
    return one.at === at
  }
  return all.find(inner)
}

const most = 3
`

describe('what a file defines', () => {
  test('is found in each language, with what it is in', async () => {
    const { index } = await indexed({
      'a.ts': `export interface Shape { area: number; scale(by: number): Shape }
export type Side = 'left' | 'right'
export enum Color { Red }
export abstract class Circle<T extends Shape> implements Shape {
  #radius = 1
  get area(): number { return Math.PI * this.#radius ** 2 }
  scale(by: number): Shape { if (by > 0) { return this } return { area: by, scale: (n) => this } }
}
const small = (n: number): { ok: boolean } => { return { ok: n < 1 } }
namespace Deep { export function inner() {} }
declare module 'elsewhere' { export const there: string }`,
      'b.tsx': 'export const Page = () => <p>Don\'t {"{"} <b>stop</b></p>\nexport function After() { return <Page /> }',
      'c.mjs':
        'exports.one = function () {}\nconst two = async () => 1, three = 3\nexport default class Four { static five() {} }\nvar o = { six() {}, seven: () => 7 }',
      'd.py':
        'LIMIT = 3\nclass Tree(object):\n    kind = "oak"\n    async def grow(self, by=1):\n        def leaf(): pass\n        return leaf\n@deco\ndef plant(): ...\n',
      'e.go':
        'package e\ntype Store struct { size int }\ntype Reader interface { Read() error }\nfunc (s *Store) Read() error { return nil }\nfunc New() *Store { return nil }\nconst most = 3\n',
      'f.rs':
        'pub struct Frame { size: u8 }\nimpl Frame { pub fn new() -> Self { todo!() } }\ntrait Wire { fn send(&self); }\nmacro_rules! frame { () => {} }\nmod inner { pub fn deep() {} }\n',
      'G.java':
        'package g;\npublic class G extends H {\n  private int size;\n  G() {}\n  void run() throws Exception { new Thread(() -> {}).start(); }\n  enum Mode { ON, OFF }\n  record Pair(int a) {}\n}\n',
      'h.cpp':
        '#define MOST 3\nnamespace shapes {\nclass Box { int side; public: int area() const { return side; } };\n}\nint shapes::Box::twice() { return 2; }\nstruct point { int x; };\nstatic int *find(int n) { return 0; }\n',
    })
    assert.deepEqual(names(index, 'a.ts'), [
      '1 interface Shape',
      '1 field Shape.area',
      '1 method Shape.scale',
      '2 type Side',
      '3 enum Color',
      '4 class Circle',
      '5 field Circle.#radius',
      '6 method Circle.area',
      '7 method Circle.scale',
      '7 method Circle.scale.scale',
      '9 function small',
      '9 field small.ok',
      '10 module Deep',
      '10 function Deep.inner',
      '11 variable there',
    ])
    assert.deepEqual(names(index, 'b.tsx'), ['1 function Page', '2 function After'])
    assert.deepEqual(names(index, 'c.mjs'), [
      '1 function one',
      '2 function two',
      '2 variable three',
      '3 class Four',
      '3 method Four.five',
      '4 variable o',
      '4 method six',
      '4 method seven',
    ])
    assert.deepEqual(names(index, 'd.py'), [
      '1 variable LIMIT',
      '2 class Tree',
      '3 field Tree.kind',
      '4 method Tree.grow',
      '5 function Tree.grow.leaf',
      '8 function plant',
    ])
    assert.deepEqual(names(index, 'e.go').slice(0, 6), [
      '2 class Store',
      '2 field Store.size',
      '3 interface Reader',
      '3 method Reader.Read',
      '4 method Read',
      '5 function New',
    ])
    assert.deepEqual(names(index, 'f.rs'), [
      '1 class Frame',
      '1 field Frame.size',
      '2 function new',
      '3 interface Wire',
      '3 method Wire.send',
      '4 macro frame',
      '5 module inner',
      '5 function inner.deep',
    ])
    assert.deepEqual(names(index, 'G.java').slice(0, 4), [
      '2 class G',
      '3 field G.size',
      '4 method G.G',
      '5 method G.run',
    ])
    assert.deepEqual(
      names(index, 'h.cpp'),
      [
        '1 macro MOST',
        '2 module shapes',
        '3 class shapes.Box',
        '3 field shapes.Box.side',
        '3 function shapes.Box.area',
        '5 function twice',
        '6 class point',
        '6 field point.x',
        '7 function find',
      ].map((each) => (each.includes('Box.area') ? '3 method shapes.Box.area' : each)),
    )
  })

  test('is the same after an edit as when it is read anew, wherever the edit is', async () => {
    const large = Array.from({ length: 250 }, (_, at) =>
      declarations.replace(/\b(Shelf|place|find|most)\b/g, `$1${at}`),
    ).join('')
    // One function around all of it, so that pieces are within pieces.
    const { index, put } = await indexed({ 'a.ts': `${large}\nfunction outer(): void {\n${large}\n}\n` })
    let text = String(await index.contentOf('a.ts'))
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed % below
    }
    const edits = [
      'function added() { return 1 }\n',
      '// a comment with a { brace\n',
      '\n\n',
      'const text = `$' + '{1}`\n',
      '}',
      '{',
      '',
    ]
    for (let round = 0; round < 25; round++) {
      const lines = text.split('\n')
      const at = random(lines.length)
      lines.splice(at, round % 3 === 0 ? random(30) : 0, edits[random(edits.length)]!)
      const edited = lines.join('\n')
      await put({ 'a.ts': edited })
      const anew = await indexed({ 'a.ts': edited })
      const [found, wanted] = [index, anew.index].map((each) => each.files.get('a.ts')!)
      assert.deepEqual(names(index, 'a.ts'), names(anew.index, 'a.ts'), `round ${round}, line ${at}`)
      assert.equal(found!.analysis!.lines, wanted!.analysis!.lines)
      // Where braces do not match there is little to see: go back.
      if (found!.analysis!.parts.length > 3) text = edited
      else await put({ 'a.ts': text })
    }
  })

  test('is right about lines and names where there is more than ASCII, or no UTF-8 at all', async () => {
    const { index } = await indexed({
      'a.py': '# 图书\nclass 图书馆:\n    def öffnen(self): pass\n',
      'b.js': Buffer.concat([
        Buffer.from('\ufeffconst s = "'),
        Buffer.from([0xff, 0xfe, 0x80]),
        Buffer.from('"\nfunction 查找() {}\n'),
      ]),
    })
    assert.deepEqual(names(index, 'a.py'), ['2 class 图书馆', '3 method 图书馆.öffnen'])
    assert.deepEqual(names(index, 'b.js'), ['1 variable s', '2 function 查找'])
    const [found] = findSymbols(index, { query: '图书馆.öffnen', most: 5 })
    assert.equal(found?.line, 3)
    assert.deepEqual(await searchCode({ index, threads }, { pattern: '查找', most: 5 }), [
      { path: 'b.js', line: 2, text: 'function 查找() {}' },
    ])
  })
})

describe('strange files', () => {
  test('cost no more than themselves: binary, huge, deep, unfinished, minified', async () => {
    const { index } = await indexed({
      'good.ts': 'export function good() {}',
      'binary.ts': Buffer.from([0, 1, 2, 3, 0xff]),
      'huge.ts': Buffer.alloc(17 * 1024 * 1024, 32),
      'deep.js': `${'('.repeat(50_000)}1${')'.repeat(50_000)}`,
      'deeper.py': `x = ${'['.repeat(100_000)}`,
      'braces.ts': `${'{'.repeat(100_000)}`,
      'deep.json.js': `const a = ${'{a:'.repeat(30_000)}1${'}'.repeat(30_000)}`,
      'open.js': 'function open() { const s = `$' + '{',
      'minified.js': `!function(){${'function a(b){return b};'.repeat(100_000)}}()`,
      'errors.cpp': 'template<<<>>> ((( @@@ ;;; }}} class {'.repeat(2000),
      'empty.rs': '',
      'quotes.js': `${"'".repeat(9999)}\n${'/'.repeat(9999)}`,
    })
    assert.deepEqual(names(index, 'good.ts'), ['1 function good'])
    assert.equal(index.files.get('binary.ts')!.passedOver, 'binary')
    assert.equal(index.files.get('huge.ts')!.passedOver, 'too large')
    assert.equal(index.files.size, 12)
    assert.ok(names(index, 'minified.js').length > 1000)
  })

  test('a thread that dies costs its file alone', async () => {
    const own = new CodeThreads({ most: 1 })
    const content = Buffer.from('function a() {}')
    const request = { language: 'no such language', bytes: content, key: 'a' }
    await assert.rejects(own.analyse(request), /no grammar/)
    const { analysis } = await own.analyse({ ...request, language: 'javascript' })
    assert.deepEqual(analysis.parts[0]!.names, ['a'])
    const given = own.analyse({ ...request, language: 'javascript' })
    await Promise.all([own.close(), assert.rejects(given, /given up/)])
  })

  test('contents are kept up to a number of bytes', () => {
    const contents = new Contents(1000)
    for (let at = 0; at < 50; at++) contents.put(`${at}`, Buffer.alloc(100))
    assert.equal(contents.bytes, 1000)
    assert.equal(contents.get('0'), undefined)
    contents.put('49', Buffer.alloc(5000))
    assert.equal(contents.bytes, 5000)
    contents.remove('49')
    assert.equal(contents.bytes, 0)
  })
})
