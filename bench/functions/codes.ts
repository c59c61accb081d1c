import type { Target } from '../measure/series.ts'

/** Code whose cold start is measured. */
export interface Code {
  /** As it is called in the report. */
  name: string
  /** As its part of the bench is called. */
  section: 'cold-node' | 'cold-python' | 'cold-bundle' | 'cold-numpy'
  runtime: 'node24' | 'python3'
  files: Record<string, string>
  settings: { preload?: string[] }
  targets: Target[]
}

const within = (p50: number, p99: number): Target[] => [
  { percentile: 'p50', atMost: p50 },
  { percentile: 'p99', atMost: p99 },
]

const handler = "exports.handler = async (event) => ({ hello: event.name ?? 'world' })\n"

/** So many bytes of functions that call each other and tables, as a bundle of libraries has them; a part of it runs at its start. */
function bundle(bytes: number): string {
  const parts: string[] = []
  for (let at = 0, size = 0; size < bytes; at++) {
    const part = `const part${at} = (() => {
  const names = { a${at}: 'first of ${at}', b${at}: ['one', 'two', ${at}], c${at}: /^[a-z]+${at}$/ }
  class Shape${at} extends Map {
    constructor(given = []) { super(given); this.kind = 'shape ${at}' }
    parse(value) { if (typeof value !== 'string') throw new TypeError('shape ${at} takes texts, not ' + typeof value); return this.get(value) ?? value.length * ${at} }
    check(value) { for (const [key, rule] of this) if (!rule(value[key])) return { path: key, message: 'does not fit ' + this.kind }; return undefined }
  }
  function make(options) { const made = new Shape${at}(Object.entries(options ?? names)); return made.size > ${at} ? made : Object.assign(made, { options }) }
  return { make, names, Shape: Shape${at} }
})()
${at % 4 === 0 ? `exports.made${at} = part${at}.make()` : `exports.part${at} = part${at}`}
`
    parts.push(part)
    size += part.length
  }
  return parts.join('') + handler
}

export const node: Code = {
  name: 'Node, 5 kB',
  section: 'cold-node',
  runtime: 'node24',
  files: { 'index.js': handler.padEnd(5000, '// ') },
  settings: {},
  targets: within(3, 8),
}

export const python: Code = {
  name: 'Python, 5 kB',
  section: 'cold-python',
  runtime: 'python3',
  files: {
    'main.py': 'def handler(event, context):\n    return {"hello": event.get("name", "world")}\n'.padEnd(5000, '#'),
  },
  settings: {},
  targets: within(4, 10),
}

export const largeNode: Code = {
  name: 'Node, bundle of 1 MB',
  section: 'cold-bundle',
  runtime: 'node24',
  files: { 'index.js': bundle(1_000_000) },
  settings: {},
  targets: within(25, 45),
}

export const numpy: Code = {
  name: 'Python with numpy preloaded, 5 kB',
  section: 'cold-numpy',
  runtime: 'python3',
  files: {
    'main.py':
      'import numpy\ndef handler(event, context):\n    return {"hello": event["name"] * int(numpy.arange(2).sum())}\n'.padEnd(
        5000,
        '#',
      ),
  },
  settings: { preload: ['numpy'] },
  targets: within(6, 15),
}
