import type { Case } from './case.ts'
import type { Place } from './place.ts'
import type { World } from './world.ts'

type Words = string[] | ((world: World, place: Place, scratch: string) => string[])
type Options = Pick<Case, 'absent' | 'ownKernel' | 'control'> & { users?: string[] }

/** A case that runs one attempt of the probe as everybody in the sandbox. */
export function probing(id: string, words: Words, { users, ...options }: Options = {}): Case {
  return {
    id,
    ...options,
    async run(place, world) {
      const cell = await place.main()
      return cell.probe(typeof words === 'function' ? words(world, place, cell.scratch) : words, users)
    },
  }
}

/** What a kernel says that was built without the thing, or a machine that has no such device. */
export const notThere = ['ENOSYS', 'ENOENT', 'ENODEV', 'ENXIO', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT']
