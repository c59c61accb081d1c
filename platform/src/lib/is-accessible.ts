import { access } from 'node:fs/promises'

/** Whether `path` is there for this process, in the given `mode` of access(2); without one, whether it is there at all. */
export function isAccessible(path: string, mode?: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
