import { after } from 'node:test'
import type { AnalysisCache } from '../src/kernel/codebase/analysis-cache.ts'
import { CodeIndex } from '../src/kernel/codebase/code-index.ts'
import { CodeThreads } from '../src/kernel/codebase/code-threads.ts'
import { Contents } from '../src/kernel/codebase/contents.ts'

export const threads = new CodeThreads({ most: 2 })
after(() => threads.close())

/** An index of files that are given, and can be changed by their map. */
export async function indexed(given: Record<string, string | Buffer>, options: { cache?: AnalysisCache } = {}) {
  const files = new Map(Object.entries(given).map(([path, content]) => [path, Buffer.from(content)]))
  const index = new CodeIndex({
    threads,
    contents: new Contents(64 * 1024 * 1024),
    name: 'tested',
    read: async (path) => files.get(path),
    ...options,
  })
  const put = async (changed: Record<string, string | Buffer>) => {
    const entries = Object.entries(changed).map(([path, content]) => [path, Buffer.from(content)] as const)
    for (const [path, bytes] of entries) files.set(path, bytes)
    await index.update({ changed: entries })
  }
  await put(given)
  return { index, put, files }
}

/** What a file defines, a line for each. */
export const names = (index: CodeIndex, path: string) =>
  index.files
    .get(path)!
    .symbols()
    .map(({ kind, name, within, line }) => `${line} ${kind} ${within ? `${within}.` : ''}${name}`)

/** A few files that know each other. */
export const project = {
  'src/shapes/circle.ts': `import { round } from '../lib/round.js'
import type { Shape } from './shape.ts'
/** A circle, whose area is rounded. */
export class Circle implements Shape {
  constructor(readonly radius: number) {}
  area(): number {
    return round(this.radius ** 2 * 3.14)
  }
}
`,
  'src/shapes/shape.ts': 'export interface Shape {\n  area(): number\n}\n',
  'src/lib/round.ts':
    "// round is not round(ed) here\nexport function round(value: number): number {\n  console.log('round')\n  return Math.floor(value)\n}\n",
  'src/index.ts':
    "import { Circle } from './shapes/circle.ts'\nexport * from './lib/round.ts'\nexport const circle = new Circle(2)\n",
  'src/other.ts': 'const round = 3\nexport const twice = round * 2\n',
  'readme.md': 'Circles are round.\n',
}
