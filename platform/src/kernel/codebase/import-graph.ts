import { Paths, resolveImport } from './resolve-import.ts'

interface Importing {
  path: string
  language: string
  imports: Iterable<string>
}

/** Which files of a codebase import which. There may be circles. */
export class ImportGraph {
  readonly #imports = new Map<string, Set<string>>()
  readonly #importedBy = new Map<string, Set<string>>()

  constructor(files: Iterable<Importing>, all: Iterable<string>) {
    const paths = new Paths(all)
    for (const { path, language, imports } of files) {
      const found = new Set<string>()
      for (const said of imports) for (const target of resolveImport(paths, path, said, language)) found.add(target)
      found.delete(path)
      this.#imports.set(path, found)
      for (const target of found) {
        const by = this.#importedBy.get(target)
        if (by) by.add(path)
        else this.#importedBy.set(target, new Set([path]))
      }
    }
  }

  importsOf(path: string): readonly string[] {
    return [...(this.#imports.get(path) ?? [])]
  }

  /** Who imports it, who imports those, and so on, each once and with the number of steps to it. */
  dependentsOf(path: string, depth = 1): Map<string, number> {
    return this.#reached(this.#importedBy, [path], depth)
  }

  /** The same the other way round. */
  dependenciesOf(path: string, depth = 1): Map<string, number> {
    return this.#reached(this.#imports, [path], depth)
  }

  /** How many steps each file is away from the nearest of some, whoever imports whom. */
  distances(from: readonly string[], depth: number): Map<string, number> {
    const steps = new Map(from.map((path) => [path, 0]))
    let last = [...from]
    for (let step = 1; step <= depth && last.length > 0; step++) {
      const next: string[] = []
      for (const path of last)
        for (const other of [...(this.#imports.get(path) ?? []), ...(this.#importedBy.get(path) ?? [])])
          if (!steps.has(other)) {
            steps.set(other, step)
            next.push(other)
          }
      last = next
    }
    return steps
  }

  #reached(edges: ReadonlyMap<string, Set<string>>, from: readonly string[], depth: number): Map<string, number> {
    const steps = new Map(from.map((path) => [path, 0]))
    let last = from
    for (let step = 1; step <= depth && last.length > 0; step++) {
      const next: string[] = []
      for (const path of last)
        for (const other of edges.get(path) ?? [])
          if (!steps.has(other)) {
            steps.set(other, step)
            next.push(other)
          }
      last = next
    }
    for (const path of from) steps.delete(path)
    return steps
  }
}
