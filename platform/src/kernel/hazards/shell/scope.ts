import { posix } from 'node:path'

/**
 * Characters that stand in a word for what is not known before it runs. Where it comes from may be known: from the network, from
 * something that decodes, from a file of secrets. Written by somebody, they make a word less known, never more.
 */
export const unknown = '\uFDD0'
export const downloaded = '\uFDD1'
export const decoded = '\uFDD2'
export const secret = '\uFDD3'
const marks = /[\uFDD0-\uFDD3]/

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

/** What is known of variables and files at a place of a script. */
export class Scope {
  readonly #values: Map<string, string>
  /** What was written into files, as text or as one of the marks. */
  readonly files: Map<string, string>
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
    this.files = new Map(from?.files)
    this.functions = new Map(from?.functions)
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
    if (this.files.size < mostNames || this.files.has(path)) this.files.set(path, content.slice(0, mostValue))
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

  forget(name: string): void {
    this.#values.delete(name)
  }
}
