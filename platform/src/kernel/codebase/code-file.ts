import { type Analysis, column, type SymbolKind, symbolKinds, columns as width } from './analysis.ts'
import { languageOf } from './language.ts'

/** A name that a file defines. */
export interface CodeSymbol {
  name: string
  kind: SymbolKind
  path: string
  /** Lines from 1. */
  line: number
  endLine: number
  /** What it is in, from outside: `Outer.inner`. */
  within?: string
  /** Bytes of all of it, and of its name. */
  start: number
  end: number
  nameStart: number
  nameEnd: number
}

/** A name tells of so many things that it is in. */
const deepest = 8

/** A file of a codebase, and what was found in it. */
export class CodeFile {
  readonly path: string
  /** Without one it is searched as text, no more. */
  readonly language: string | undefined
  analysis: Analysis | undefined
  /** Why there is no analysis. */
  passedOver: string | undefined
  #symbols: CodeSymbol[] | undefined

  constructor(path: string) {
    this.path = path
    this.language = languageOf(path)?.name
  }

  set(analysis: Analysis | undefined, passedOver?: string): void {
    this.analysis = analysis
    this.passedOver = passedOver
    this.#symbols = undefined
  }

  imports(): Set<string> {
    return new Set(this.analysis?.parts.flatMap(({ imports }) => imports))
  }

  names(): string[] {
    return this.analysis?.parts.flatMap(({ names }) => names) ?? []
  }

  /** Whether any part of it was too much to be parsed. */
  get incomplete(): boolean {
    return this.analysis === undefined || this.analysis.parts.some(({ passedOver }) => passedOver !== undefined)
  }

  /** From the first to the last, each behind what it is in. */
  symbols(): readonly CodeSymbol[] {
    this.#symbols ??= this.#read()
    return this.#symbols
  }

  #read(): CodeSymbol[] {
    const found: CodeSymbol[] = []
    for (const { start, line, columns, names } of this.analysis?.parts ?? [])
      for (const [at, name] of names.entries()) {
        const number = (which: number) => columns[at * width + which]!
        found.push({
          name,
          kind: symbolKinds[number(column.kind)]!,
          path: this.path,
          line: line + number(column.line) + 1,
          endLine: line + number(column.endLine) + 1,
          start: start + number(column.start),
          end: start + number(column.end),
          nameStart: start + number(column.nameStart),
          nameEnd: start + number(column.nameEnd),
        })
      }
    found.sort((a, b) => a.start - b.start || b.end - a.end || a.nameStart - b.nameStart)
    const around: CodeSymbol[] = []
    for (const symbol of found) {
      while (around.length > 0 && around.at(-1)!.end <= symbol.start) around.pop()
      const outer = around.at(-1)
      if (outer) {
        symbol.within = outer.within ? `${outer.within}.${outer.name}` : outer.name
        if (symbol.kind === 'function' && ['class', 'interface'].includes(outer.kind)) symbol.kind = 'method'
      }
      if (holds(symbol.kind) && around.length < deepest) around.push(symbol)
    }
    return found
  }
}

function holds(kind: SymbolKind): boolean {
  return kind !== 'variable' && kind !== 'constant' && kind !== 'field' && kind !== 'macro' && kind !== 'declaration'
}
