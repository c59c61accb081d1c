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
/** A variable that is put into itself doubles. */
const mostValue = 20_000

/** What is known of variables and files at a place of a script. */
export class Scope {
  readonly #values: Map<string, string>
  /** What was written into files, as text or as one of the marks. */
  readonly files: Map<string, string>
  readonly functions: Set<string>

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
    this.files = new Map(from?.files)
    this.functions = new Set(from?.functions)
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

  forget(name: string): void {
    this.#values.delete(name)
  }
}
