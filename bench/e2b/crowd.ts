import { Recorder, type Series } from '../measure/series.ts'
import type { E2bDeps } from './client-of.ts'

const clients = 20

/** Twenty at the same time, each of which creates and kills, until there were two hundred sandboxes. */
export async function measureCrowd({ create, driver, quick }: E2bDeps): Promise<Series[]> {
  const each = new Recorder()
  const whole = new Recorder()
  const all = quick ? 40 : 200
  await whole.time(async () => {
    const work = Array.from({ length: clients }, async () => {
      for (let index = 0; index < all / clients; index++) {
        await each.time(async () => {
          const sandbox = await create()
          if (!(await sandbox.kill())) throw new Error(`${sandbox.sandboxId} was gone before it was killed`)
        })
      }
    })
    await Promise.all(work)
    if (each.count < all) throw new Error(`${all - each.count} of ${all} failed`)
  })
  return [
    whole.series(`${clients} clients create and kill ${all}, ${driver}`, {
      targets: [{ percentile: 'max', atMost: 30_000 }],
    }),
    each.series(`of it each, ${driver}`),
  ]
}
