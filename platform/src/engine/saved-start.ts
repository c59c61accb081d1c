import { isDeepStrictEqual } from 'node:util'
import { WarrenError } from '../errors.ts'
import type { Driver } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { environmentOf } from './environment-of.ts'
import { cannot, type Instance } from './instance.ts'
import { looksInto } from './network/outgoing.ts'
import { restoreInstance } from './restore.ts'
import { snapshotInstance } from './snapshot.ts'
import type { StartRequest } from './start-request.ts'

/** Saves an instance in which what `template` starts with runs already. Throws `unavailable` with the reason where no memory is saved. */
export async function saveStart(
  parts: EngineParts,
  instance: Instance,
  template: string,
  signal: AbortSignal,
): Promise<void> {
  const { snapshot } = instance.driver.capabilities()
  if (!('keeps' in snapshot)) throw cannot(instance.driver, 'snapshot')
  if (snapshot.keeps !== 'memory')
    throw new WarrenError('unavailable', snapshot.withoutMemory ?? `${instance.driver.name} saves no memory`)
  const id = startId(template)
  await parts.starts.remove(id)
  await snapshotInstance({ ...parts, snapshots: parts.starts }, instance, id, signal)
}

/**
 * An instance in which what its template starts with runs already; undefined where there is none that is all that was asked
 * for, on `driver`, which is what it would start on otherwise.
 */
export async function fromSavedStart(
  parts: EngineParts,
  request: StartRequest,
  driver: Driver,
  signal: AbortSignal,
): Promise<Instance | undefined> {
  const { template, limits, isolation, volumes = [], network, env, owner } = request
  const id = startId(template)
  // What is saved may lie there still, where it was not given up in time.
  if (parts.templateStarts === 'anew') return undefined
  if (!request.begun || isolation?.gpu || volumes.length > 0 || !network) return undefined
  // What it trusts is in its environment from the beginning, and the saved one began without.
  if (looksInto(network.outgoing) || !(await parts.starts.has(id))) return undefined
  try {
    const manifest = await parts.starts.read(id)
    if (manifest.driver !== driver.name || !isDeepStrictEqual(manifest.limits, limits)) return undefined
    const rootfs = await parts.images.rootfs(template)
    const own = { owner, env: environmentOf({ ...request, env }, rootfs), network }
    return await restoreInstance(parts, { manifest, path: parts.starts.path(id) }, own, signal)
  } catch (error) {
    signal.throwIfAborted()
    parts.log.warn({ err: error, template }, 'the saved start of a template cannot be used: it is started anew')
    return undefined
  }
}

/** Removes what was saved of templates that are gone. */
export async function keepStarts({ starts }: EngineParts, templates: ReadonlySet<string>): Promise<void> {
  const kept = new Set([...templates].map(startId))
  for (const id of await starts.list()) if (!kept.has(id)) await starts.remove(id)
}

/** Builds are named by UUIDs, snapshots without hyphens. */
function startId(template: string): string {
  return template.replaceAll('-', '')
}
