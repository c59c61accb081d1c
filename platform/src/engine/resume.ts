import type { InstanceSpec } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { giveIdentity } from './give-identity.ts'
import { Instance } from './instance.ts'
import { type InstanceRecord, keptOfPaused, type PausedRecord } from './instance-store.ts'
import type { NetworkPolicy } from './network/rules.ts'
import { leaveNetwork } from './pause.ts'

/**
 * Lets a paused instance go on where it stood still: its processes, their numbers and what they listen on are there again.
 * One that kept its files alone begins anew with these.
 * It reaches what `policy` allows. On rejection it is paused as before. Steps: record, bring back, take away the record.
 */
export async function resumeInstance(
  parts: EngineParts,
  { record, paused }: { record: InstanceRecord; paused: PausedRecord },
  policy: NetworkPolicy,
  signal: AbortSignal,
): Promise<Instance> {
  const { id } = record.spec
  const resident = parts.instances.get(id)
  if (resident) await parts.network.set(resident, policy)
  const instance = resident ?? (await bringBack(parts, { record, paused, policy }, signal))
  await resident?.resume()
  await parts.store.clearPaused(id)
  parts.paused.delete(id)
  // It has what it needs, unless its policy was changed while it stood still.
  if (resident) await parts.network.trust(resident, policy).catch(() => {})
  if (!resident) parts.watch(instance)
  return instance
}

async function bringBack(
  parts: EngineParts,
  { record, paused, policy }: { record: InstanceRecord; paused: PausedRecord; policy: NetworkPolicy },
  signal: AbortSignal,
): Promise<Instance> {
  const { store, network } = parts
  const { id, slot } = record.spec
  const { resuming: _, ...settled } = paused
  const { token } = settled
  const driver = await parts.driver(record.driver)
  network.check(driver, policy)
  // A start that was broken off may have left it one.
  let spec: InstanceSpec = record.spec.network ? record.spec : { ...record.spec, ...(await network.take(driver)) }
  let instance: Instance | undefined
  try {
    const records = [store.moveNetwork(id, spec.network), store.markPaused(id, { ...settled, resuming: true })]
    // What is written after a failure comes after both.
    await Promise.allSettled(records)
    await Promise.all(records)
    const source = { path: store.savedPath(id), slot, kept: keptOfPaused, ...(token === undefined ? {} : { token }) }
    const inner = await parts.inTurn(signal, () => driver.restore!(spec, store.dir(id), source, signal))
    instance = new Instance(spec, driver, inner)
    await Promise.all([giveIdentity(instance.guest, { env: settled.env }), network.set(instance, policy)])
    await network.trust(instance, policy)
    return instance
  } catch (error) {
    await instance?.putAway(keptOfPaused)
    await store.markPaused(id, settled)
    spec = await leaveNetwork(parts, spec)
    parts.paused.set(id, { record: { ...record, spec }, paused: settled })
    throw error
  }
}
