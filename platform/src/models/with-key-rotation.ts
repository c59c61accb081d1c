import type { Model } from './model.ts'
import { withFailover } from './with-failover.ts'

/** One model with several keys: what the vendor refuses to one of them is asked with the next. */
export function withKeyRotation(
  keys: readonly string[],
  open: (key: string | undefined, name: string | undefined) => Model,
  options: { now?: () => number } = {},
): Model {
  if (keys.length < 2) return open(keys[0], undefined)
  const { name } = open(undefined, undefined)
  const models = keys.map((key, index) => open(key, `${name} (key ${index + 1} of ${keys.length})`))
  return withFailover(models, { ...options, name, on: ['auth', 'quota_exceeded', 'rate_limited'] })
}
