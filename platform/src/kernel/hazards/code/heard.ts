import type { HazardName } from '../hazard.ts'
import type { Nested } from '../shell/unwrap.ts'

/** Who is told what code in a language does. */
export interface Heard {
  found: (hazard: HazardName, text: string) => void
  nested: (program: Nested) => void
}

/** What is known of the names in a file of code: to which constant, or to which part of which module, they stand. */
export class Names {
  readonly #values = new Map<string, string>()
  readonly #modules = new Map<string, string>()

  valueOf(name: string): string | undefined {
    return this.#values.get(name)
  }

  set(name: string, value: string | undefined): void {
    if (value === undefined) this.#values.delete(name)
    else if (this.#values.size < 1000) this.#values.set(name, value.slice(0, 20_000))
  }

  alias(name: string, dotted: string): void {
    if (this.#modules.size < 1000) this.#modules.set(name, dotted)
  }

  /** `o.system` as `os.system`, after `import os as o`. */
  resolve(dotted: string): string {
    const [first = '', ...rest] = dotted.split('.')
    const module = this.#modules.get(first)
    return module === undefined ? dotted : [module, ...rest].join('.')
  }
}
