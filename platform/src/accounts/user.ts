import { WarrenError } from '../errors.ts'

/** A person. */
export interface User {
  id: string
  /** In lower case. */
  email: string
  name: string
  /** Whether there is a password to sign in with; without one it is by single sign-on. */
  hasPassword: boolean
  /** Whether a second factor is asked for. */
  hasSecondFactor: boolean
  createdAt: Date
}

/** Where a person signs in from. */
export interface Client {
  address: string
  agent: string
  requestId: string
}

export const passwordLength = { least: 12, most: 256 }

/** As it is kept and compared. */
export function emailOf(text: string): string {
  return text.trim().toLowerCase()
}

/** Throws `invalid_request` for a password that is easily guessed. */
export function checkPassword(password: string, { email, name }: { email: string; name: string }): void {
  const plain = password.toLowerCase()
  const same = new Set(password).size < 5
  const own = [email, email.split('@')[0]!, name.toLowerCase()].some((word) => word.length > 3 && plain === word)
  if (password.length >= passwordLength.least && password.length <= passwordLength.most && !same && !own) return
  throw new WarrenError(
    'invalid_request',
    `a password must have ${passwordLength.least} to ${passwordLength.most} characters, five of them different, and not be the name or the address`,
    { hint: 'Four words that have nothing to do with each other make a good one.' },
  )
}
