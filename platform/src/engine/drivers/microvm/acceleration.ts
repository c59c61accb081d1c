import { cpus } from 'node:os'
import { runCommand } from '../../../lib/run-command.ts'
import type { Acceleration } from './machine.ts'

/**
 * Whether the processor itself runs guests. /dev/kvm may be there, take every call and emulate every instruction, some
 * thousand times slower: so a few thousand instructions are run in a guest and timed. `refused` says that no guest came up
 * all the same.
 */
export async function chooseAcceleration(
  guestBinary: string,
  refused: string | undefined,
): Promise<{ acceleration: Acceleration; why: string }> {
  if (refused !== undefined) return { acceleration: 'tcg', why: `KVM did not boot a guest: ${refused}` }
  const probed = await runCommand([guestBinary, 'probe-kvm'], { timeoutMs: 10_000 })
  if (probed.ok) return { acceleration: 'kvm', why: '' }
  return { acceleration: 'tcg', why: probed.stderr.trim() || `the probe of KVM ${probed.failure}` }
}

/** What the processor calls itself: memory saved on one is of no use on another. */
export function processorName(): string {
  return cpus()[0]?.model.trim() ?? 'unknown'
}
