/** What a call uses: alone, or together with all others that only share it. */
export type Resource = string | { shared: string }

/** What changes files has it alone, what reads them shares it: of the calls of one answer a program sees what was written before it. */
export const theSandbox = 'sandbox'

interface Users {
  /** Who came last of those that use it alone. */
  alone: Promise<void> | undefined
  /** Those that came after it and share. */
  sharing: Promise<void>[]
}

/** Lets those wait for each other that want the same, in the order in which they came. */
export class ResourceLocks {
  readonly #users = new Map<string, Users>()

  /** Resolves when all of `wanted` are free, with what gives them back. */
  async acquire(wanted: readonly Resource[]): Promise<() => void> {
    if (wanted.length === 0) return () => {}
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = wanted.flatMap((one) => {
      const { alone, sharing } = this.#usersOf(nameOf(one))
      return typeof one === 'string' ? [alone, ...sharing] : [alone]
    })
    for (const one of wanted) {
      const users = this.#usersOf(nameOf(one))
      if (typeof one === 'string') Object.assign(users, { alone: promise, sharing: [] })
      else users.sharing.push(promise)
    }
    await Promise.all(before)
    return resolve
  }

  #usersOf(name: string): Users {
    const users = this.#users.get(name) ?? { alone: undefined, sharing: [] }
    this.#users.set(name, users)
    return users
  }
}

function nameOf(one: Resource): string {
  return typeof one === 'string' ? one : one.shared
}
