import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'

/** A volume by its name, and where it shall be inside. */
export const MountVolume = Type.Object(
  {
    name: Type.String({ pattern: '^[a-zA-Z0-9_-]{1,64}$' }),
    path: Type.String({ pattern: '^/', maxLength: 1024, description: 'Absolute. What is missing of it is made.' }),
    readOnly: Type.Optional(Type.Boolean({ description: 'Whether this sandbox cannot write there.' })),
  },
  { additionalProperties: false },
)
export type MountVolume = Static<typeof MountVolume>

export const MountVolumes = Type.Array(MountVolume, {
  maxItems: 8,
  description:
    'Volumes to mount, for reading and writing unless `readOnly`. Other sandboxes may have them at the same time.',
})

export interface MountedVolume extends MountVolume {
  id: string
}

/** Belong to the system inside. */
const taken = ['bin', 'dev', 'etc', 'lib', 'lib32', 'lib64', 'libx32', 'proc', 'run', 'sbin', 'sys', 'usr', '.warren']

/** Throws `invalid_request` for a place where none can be, or where another is. */
export function checkMountPaths(mounts: readonly MountVolume[]): void {
  const refused = (path: string, rule: string) =>
    new WarrenError('invalid_request', `a volume cannot be mounted at "${path}": ${rule}`)
  const seen: string[] = []
  for (const { path } of mounts) {
    const parts = path.slice(1).replace(/\/$/, '').split('/')
    if (!parts.every((part) => /^[^\0:]{1,255}$/.test(part) && part !== '.' && part !== '..'))
      throw refused(path, 'a path is absolute, without ".", "..", ":" and empty parts, and not the root')
    if (taken.includes(parts[0]!)) throw refused(path, `/${parts[0]} belongs to the system`)
    const whole = `/${parts.join('/')}/`
    if (seen.some((other) => other.startsWith(whole) || whole.startsWith(other)))
      throw refused(path, 'it lies in the path of another')
    seen.push(whole)
  }
}
