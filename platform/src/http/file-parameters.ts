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
