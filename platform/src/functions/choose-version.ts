import { WarrenError } from '../errors.ts'
import type { FunctionVersion, Target } from './function.ts'
import type { KnownFunction } from './store.ts'

/**
 * The version a call goes to. `qualifier` is a number, the name of an alias, or `latest`; without it the calls are split as
 * the function says. Throws `not_found`.
 */
export function chooseVersion(
  { record, versions, aliases }: KnownFunction,
  qualifier?: string,
  draw: () => number = Math.random,
): FunctionVersion {
  const number = qualifier === undefined ? split(record.live, draw) : numberOf(qualifier)
  const version = versions.get(number)
  if (version) return version
  throw new WarrenError('not_found', `function "${record.name}" has no version ${qualifier ?? number}`)

  function numberOf(text: string): number {
    if (/^\d{1,9}$/.test(text)) return Number(text)
    if (text === 'latest') return record.lastVersion
    const alias = aliases.get(text)
    if (alias) return split(alias.targets, draw)
    throw new WarrenError('not_found', `function "${record.name}" has no version and no alias "${text.slice(0, 64)}"`)
  }
}

/** The versions that a call may go to: all of a split. */
export function possibleVersions(known: KnownFunction, qualifier?: string): FunctionVersion[] {
  const { record, aliases, versions } = known
  const targets = qualifier === undefined ? record.live : aliases.get(qualifier)?.targets
  if (!targets) return [chooseVersion(known, qualifier)]
  return targets.flatMap(({ version, weight }) => (weight > 0 ? (versions.get(version) ?? []) : []))
}

function split(targets: readonly Target[], draw: () => number): number {
  if (targets.length === 1) return targets[0]!.version
  let left = draw() * targets.reduce((sum, { weight }) => sum + weight, 0)
  for (const { version, weight } of targets) {
    left -= weight
    if (left < 0) return version
  }
  return targets.at(-1)?.version ?? 0
}

/** Throws `invalid_request` for a split that is none, `not_found` where it names a version that is not there. */
export function checkTargets({ record, versions }: KnownFunction, targets: readonly Target[]): Target[] {
  const sum = targets.reduce((total, { weight }) => total + weight, 0)
  if (targets.length === 0 || targets.length > 10 || Math.abs(sum - 100) > 0.001)
    throw new WarrenError('invalid_request', `the weights of up to 10 versions must come to 100, not ${sum}`)
  for (const { version } of targets)
    if (!versions.has(version))
      throw new WarrenError('not_found', `function "${record.name}" has no version ${version}`)
  return [...targets]
}
