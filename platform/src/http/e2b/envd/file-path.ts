import { WarrenError } from '../../../errors.ts'
import { Refusal } from '../refusal.ts'
import { cleanPath } from './paths.ts'

/** A path as the guest takes it; 400 for what cannot be one. */
export function filePath(path: string): string {
  try {
    return cleanPath(path)
  } catch (error) {
    throw new Refusal(400, (error as Error).message)
  }
}

/** Throws what the contract says of a file that cannot be had. */
export function fileRefusal(error: unknown, path: string): never {
  if (error instanceof WarrenError) {
    const { guestCode } = error.details ?? {}
    if (guestCode === 'not_found' || guestCode === 'not_a_directory')
      throw new Refusal(404, `path '${path}' does not exist`)
    if (guestCode === 'is_a_directory') throw new Refusal(400, `path '${path}' is a directory`)
  }
  throw error
}
