import { posix } from 'node:path'

/**
 * Characters that stand in a word for what is not known before it runs. Where it comes from may be known: from the network, from
 * something that decodes, from a file of secrets. Written by somebody, they make a word less known, never more.
 */
export const unknown = '\uFDD0'
export const downloaded = '\uFDD1'
export const decoded = '\uFDD2'
export const secret = '\uFDD3'
/** With a name behind it: it is the program of this name. */
export const program = '\uFDD5'
const marks = /[\uFDD0-\uFDD3\uFDD5]/

/** Between two words that one word becomes. */
export const between = '\uFDD4'

export function isKnown(text: string): boolean {
  return !marks.test(text)
}

const mostNames = 1000
const mostCalls = 32
const longestBody = 4000
/** A variable that is put into itself doubles. */
const mostValue = 20_000
/** Of a file. What is longer is not looked through, and told of as that. */
const mostContent = 128 * 1024
/** Where the system has its programs, and a copy of one of these is it. */
const ownProgram = /^(?:\/usr)?(?:\/local)?\/s?bin\/([^/]+)$/

/** What is known of variables and files at a place of a script. */
export class Scope {
  readonly #values: Map<string, string>
  /** What was written into files, as text or as one of the marks, by where they are. */
  readonly #files: Map<string, string>
  /** Folders that were filled with something: files in them of which no more is known are from there. */
  readonly #folders: Map<string, string>
  /** Calls of functions that are still looked through with their arguments: in this scope and all that are made of it. */
  readonly #calls: { left: number }
  /** Their bodies, by their names. */
  readonly functions: Map<string, string>

  constructor(from?: Scope) {
    this.#values = new Map(
      from
        ? from.#values
        : [
            ['HOME', '~'],
            ['IFS', ' '],
            ['PWD', '.'],
            ['SHELL', '/bin/sh'],
          ],
    )
    this.#calls = from ? from.#calls : { left: mostCalls }
    this.#files = new Map(from ? from.#files : [])
    this.#folders = new Map(from ? from.#folders : [])
    this.functions = new Map(from?.functions)
  }

  /** Of what another program than a shell starts: the same files and the same folder, and nothing else that is known. */
  static inFolderOf(outer: Scope): Scope {
    const scope = new Scope()
    for (const [path, content] of outer.#files) scope.#files.set(path, content)
    for (const [path, mark] of outer.#folders) scope.#folders.set(path, mark)
    scope.set('PWD', outer.valueOf('PWD'))
    return scope
  }

  valueOf(name: string): string {
    return this.#values.get(name) ?? unknown
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  set(name: string, value: string): void {
    if (this.#values.size < mostNames || this.#values.has(name)) this.#values.set(name, value.slice(0, mostValue))
  }

  write(path: string, content: string): void {
    const place = this.#fileAt(path)
    if (place === undefined || (this.#files.size >= mostNames && !this.#files.has(place))) return
    this.#files.set(place, content.length <= mostContent ? content : unknown)
  }

  /** Everything in a folder comes from what a mark says; what was known of files in it is not any more. */
  fill(folder: string, mark: string): void {
    const place = this.#fileAt(folder)
    if (place === undefined || this.#folders.size >= mostNames) return
    this.#folders.set(place, mark)
    for (const path of this.#files.keys()) if (path.startsWith(`${place}/`)) this.#files.delete(path)
  }

  /** Whatever another one has left in files is what is known of them here. */
  takeFiles(other: Scope): void {
    this.#files.clear()
    this.#folders.clear()
    for (const [path, content] of other.#files) this.#files.set(path, content)
    for (const [path, mark] of other.#folders) this.#folders.set(path, mark)
  }

  /** What is in a file, as text or as one of the marks; undefined where nobody has seen it. */
  read(path: string): string | undefined {
    const place = this.#fileAt(path)
    if (place === undefined) return undefined
    const own = this.#files.get(place)
    if (own !== undefined) return own
    for (let folder = posix.dirname(place); ; folder = posix.dirname(folder)) {
      const mark = this.#folders.get(folder)
      if (mark !== undefined) return mark
      if (folder === posix.dirname(folder)) break
    }
    const name = ownProgram.exec(place)?.[1]
    return name === undefined ? undefined : program + name
  }

  /** The body of a function for a call of it, once more; undefined where it is none, calls itself or was called often already. */
  takeBody(name: string): { text: string; scope: Scope } | undefined {
    const text = this.functions.get(name)
    if (text === undefined || text.length > longestBody || this.#calls.left <= 0) return undefined
    this.#calls.left--
    const scope = new Scope(this)
    scope.functions.delete(name)
    return { text, scope }
  }

  /** What a script or a function is called with, from `$0` on. */
  setArguments(args: readonly string[]): void {
    for (const [at, arg] of args.entries()) this.set(String(at), arg)
    for (const name of ['@', '*']) this.set(name, args.slice(1).join(between))
  }

  /** A path from the present folder on, where that is known. */
  placeOf(path: string): string {
    const folder = this.valueOf('PWD')
    return /^[/~]/.test(folder) && /^[^/~-]/.test(path) && isKnown(path) && !path.includes(':')
      ? posix.join(folder, path)
      : path
  }

  /** Where a file is, whichever way it is written: relative ones are in the home where no folder is known. */
  #fileAt(path: string): string | undefined {
    const folder = this.valueOf('PWD')
    if (!isKnown(path) || path === '') return undefined
    if (/^[/~]/.test(path)) return inHome(path)
    return isKnown(folder)
      ? inHome(posix.join(/^[/~]/.test(folder) ? folder : posix.join('~', folder), path))
      : undefined
  }
}

function inHome(path: string): string {
  return posix.normalize(path.replace(/^\/home\/user(?=\/|$)/, '~'))
}
