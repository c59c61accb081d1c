import { WarrenError } from '../errors.ts'

/** `conflict`: the idempotency key names `another` thing already. `what` may be sent again under its own key. */
export function usedForAnother(key: string, what: string, another = what): WarrenError {
  return new WarrenError('conflict', `the idempotency key "${key}" was used for another ${another}`, {
    hint: `Use a new key for each ${what}, and the same only to send one again.`,
  })
}
