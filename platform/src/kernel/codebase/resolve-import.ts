import { posix } from 'node:path'

/** The paths of a codebase, as imports look for them. */
export class Paths {
  readonly #all: ReadonlySet<string>
  readonly #byEnd = new Map<string, string[]>()
  /** Folders by the last part of their names, with what is right in them. */
  readonly #folders = new Map<string, Map<string, string[]>>()

  constructor(paths: Iterable<string>) {
    this.#all = new Set(paths)
    for (const path of this.#all) {
      const slash = path.lastIndexOf('/')
      const end = path.slice(slash + 1)
      const same = this.#byEnd.get(end)
      if (same) same.push(path)
      else this.#byEnd.set(end, [path])
      const folder = path.slice(0, Math.max(0, slash))
      const last = folder.slice(folder.lastIndexOf('/') + 1)
      const folders = this.#folders.get(last) ?? new Map<string, string[]>()
      this.#folders.set(last, folders)
      const inside = folders.get(folder)
      if (inside) inside.push(path)
      else folders.set(folder, [path])
    }
  }

  has(path: string): boolean {
    return this.#all.has(path)
  }

  /** The path that ends so, of several the one that is nearest to `near`. */
  endingWith(end: string, near: string): string | undefined {
    const name = end.slice(end.lastIndexOf('/') + 1)
    const found = (this.#byEnd.get(name) ?? []).filter((path) => path === end || path.endsWith(`/${end}`))
    return found.sort((a, b) => shared(b, near) - shared(a, near) || a.length - b.length)[0]
  }

  /** Files right in a folder whose path ends so. */
  inFolder(end: string, extension: string): string[] {
    const folders = this.#folders.get(end.slice(end.lastIndexOf('/') + 1)) ?? []
    const named = [...folders].filter(([folder]) => folder === end || folder.endsWith(`/${end}`))
    return named.flatMap(([, paths]) => paths.filter((path) => path.endsWith(extension)))
  }
}

const scriptEnds = ['.ts', '.tsx', '.d.ts', '.js', '.jsx', '.mjs', '.cjs', '.mts', '.cts']
const ofOutput: Record<string, string[]> = {
  '.js': ['.ts', '.tsx', '.d.ts'],
  '.jsx': ['.tsx'],
  '.mjs': ['.mts', '.d.mts'],
  '.cjs': ['.cts', '.d.cts'],
}

/** The files of the codebase that an import of `from` means; none when it is of elsewhere. */
export function resolveImport(paths: Paths, from: string, said: string, language: string): string[] {
  if (language === 'python') return one(python(paths, from, said))
  if (language === 'go') return paths.inFolder(said.split('/').slice(-2).join('/'), '.go').slice(0, 50)
  if (language === 'rust') return rust(paths, from, said)
  if (language === 'java') return one(java(paths, from, said))
  if (language === 'c++') return one(beside(paths, from, said) ?? paths.endingWith(said, from))
  return one(script(paths, from, said))
}

function script(paths: Paths, from: string, said: string): string | undefined {
  if (!said.startsWith('.')) return undefined
  const path = posix.join(posix.dirname(from), said)
  if (paths.has(path)) return path
  const end = posix.extname(path)
  const sources = (ofOutput[end] ?? []).map((other) => path.slice(0, -end.length) + other)
  const added = scriptEnds.flatMap((each) => [`${path}${each}`, `${path}/index${each}`])
  return [...sources, ...added].find((each) => paths.has(each))
}

function python(paths: Paths, from: string, said: string): string | undefined {
  const dots = /^\.*/.exec(said)![0].length
  const parts = said.slice(dots).split('.').filter(Boolean)
  const up = '../'.repeat(Math.max(0, dots - 1))
  for (let most = parts.length; most >= (dots ? 0 : 1); most--) {
    const module = parts.slice(0, most).join('/')
    for (const path of [...(module ? [`${module}.py`, `${module}.pyi`] : []), posix.join(module, '__init__.py')]) {
      const found = dots
        ? [posix.join(posix.dirname(from), up, path)].find((each) => paths.has(each))
        : (beside(paths, from, path) ?? paths.endingWith(path, from))
      if (found) return found
    }
  }
  return undefined
}

function rust(paths: Paths, from: string, said: string): string[] {
  const folder = posix.dirname(from)
  const own = /(^|\/)(mod|lib|main)\.rs$/.test(from) ? folder : from.replace(/\.rs$/, '')
  const file = (base: string, parts: string[]) =>
    [`${posix.join(base, ...parts)}.rs`, posix.join(base, ...parts, 'mod.rs')].find((path) => paths.has(path))
  if (said.startsWith('mod ')) return one(file(own, [said.slice(4)]) ?? file(folder, [said.slice(4)]))
  const found = new Set<string>()
  for (const path of unfolded(said.replace(/\s+/g, ' '))) {
    const parts = path.split('::').map((part) => part.trim().split(' ')[0]!)
    let base = own
    if (parts[0] === 'crate') base = crateOf(paths, from)
    else if (parts[0] === 'super') base = posix.dirname(own)
    else if (parts[0] !== 'self') continue
    parts.shift()
    while (parts[0] === 'super') {
      parts.shift()
      base = posix.dirname(base)
    }
    for (; parts.length > 0; parts.pop()) {
      const at = file(base, parts)
      if (!at) continue
      found.add(at)
      break
    }
  }
  return [...found]
}

/** `a::{b, c::d}` as `a::b` and `a::c::d`. */
function unfolded(said: string): string[] {
  const open = said.indexOf('{')
  if (open < 0) return [said]
  const [head, inner] = [said.slice(0, open), said.slice(open + 1).replace(/\}\s*$/, '')]
  const parts: string[] = []
  let [depth, start] = [0, 0]
  for (let at = 0; at <= inner.length; at++) {
    if (inner[at] === '{') depth++
    else if (inner[at] === '}') depth--
    else if ((inner[at] === ',' || at === inner.length) && depth <= 0) {
      parts.push(inner.slice(start, at).trim())
      start = at + 1
    }
  }
  return parts.filter(Boolean).map((part) => head + part.replace(/[{}]/g, ''))
}

/** The folder that modules of the crate begin in. */
function crateOf(paths: Paths, from: string): string {
  for (let folder = posix.dirname(from); ; folder = posix.dirname(folder)) {
    if (paths.has(posix.join(folder, 'lib.rs')) || paths.has(posix.join(folder, 'main.rs'))) return folder
    if (folder === '/' || folder === '.') return posix.dirname(from)
  }
}

function java(paths: Paths, from: string, said: string): string | undefined {
  const parts = said.split('.')
  for (let most = parts.length; most > 1; most--) {
    const found = paths.endingWith(`${parts.slice(0, most).join('/')}.java`, from)
    if (found) return found
  }
  return undefined
}

function beside(paths: Paths, from: string, said: string): string | undefined {
  const path = posix.join(posix.dirname(from), said)
  return paths.has(path) ? path : undefined
}

function one(path: string | undefined): string[] {
  return path === undefined ? [] : [path]
}

/** How many folders two paths share from the start. */
function shared(a: string, b: string): number {
  const [first, second] = [a.split('/'), b.split('/')]
  let at = 0
  while (at < first.length && first[at] === second[at]) at++
  return at
}
