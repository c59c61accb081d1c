import { Recorder } from '../measure/series.ts'
import { isEmulated, type LadderRuntime, type Measurement } from './measurement.ts'

/** A limit that no other sandbox has: its machine has to be booted. */
const unusualMemoryMb = 173
const emulatedTargetMs = 250
const kvmTargetMs = 60

/**
 * A microVM from the request to create to the output of its first program: one whose size was never booted, and copies of it.
 * Leaves the template behind, as any use does.
 */
export const measureMicrovmRestore: Measurement = async ({ client, quick, tell }) => {
  const input = { isolation: { driver: 'microvm/qemu' }, limits: { memoryMb: unusualMemoryMb } }
  // One that only emulates is booted for the first who asks, and what all machines share is made then.
  tell('microVM: making what all machines share')
  const failure = await client.create({ isolation: { driver: 'microvm/qemu' } }).then(
    ({ id }) => client.remove(id).then(() => undefined),
    (error: Error) => error.message,
  )
  const runtime = (await client.runtimes<LadderRuntime>()).find(({ driver }) => driver === 'microvm/qemu')
  if (failure !== undefined || !runtime?.healthy)
    return { series: [], skipped: [`microVM: ${failure ?? runtime?.reason ?? 'no such runtime'}`] }
  const measure = async (recorder: Recorder): Promise<void> => {
    const created = await recorder.time(async () => {
      const sandbox = await client.create(input)
      await client.echo(sandbox.id)
      return sandbox
    })
    if (created) await client.remove(created.id)
  }
  const cold = new Recorder()
  await measure(cold)
  const restored = new Recorder()
  for (let round = 0; round < (quick ? 3 : 20); round++) await measure(restored)
  const emulated = isEmulated(runtime)
  const targets = [{ percentile: 'p50' as const, atMost: emulated ? emulatedTargetMs : kvmTargetMs }]
  const note = emulated ? 'processor emulated' : undefined
  return {
    series: [
      cold.series('microVM, first of its size: boot, save and restore to first output'),
      restored.series('microVM, restored from its template to first output', { targets, note }),
    ],
    skipped: [],
  }
}
