import { Type } from 'typebox'
import { plainText } from '../sandboxes/sandbox.ts'

/** Where a file of a sandbox is, at every door. */
export const path = Type.String({
  minLength: 1,
  maxLength: 4096,
  ...plainText,
  description: "Absolute, or relative to the user's home.",
})

/** As whom something is done with it. */
export const user = Type.Optional(
  Type.String({ minLength: 1, maxLength: 64, ...plainText, description: 'Who acts; default `user`.' }),
)
export const mode = Type.String({ pattern: '^0?[0-7]{3,4}$', description: 'Permissions in octal, such as 0644.' })

const strict = { additionalProperties: false }
export const PathQuery = Type.Object({ path, user }, strict)
export const WriteQuery = Type.Object({ path, user, mode: Type.Optional(mode) }, strict)

export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

export function withMode({ user, mode }: { user?: string; mode?: string }): { user?: string; mode?: number } {
  return { ...(user === undefined ? {} : { user }), ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }) }
}
