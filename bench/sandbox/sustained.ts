import { Client } from '../measure/client.ts'
import type { Platform } from '../measure/platform.ts'
import { Recorder, type Series } from '../measure/series.ts'

/** Callers that create, run `echo` and remove without a pause: more than the pool can be refilled for. */
export async function sustained(
  platform: Platform,
  plan: { callers: number; seconds: number; input: object },
): Promise<{ series: Series; poolHitShare: number; perSecond: number }> {
  const recorder = new Recorder()
  const startedAt = performance.now()
  const until = startedAt + plan.seconds * 1000
  let warm = 0
  await Promise.all(
    Array.from({ length: plan.callers }, async () => {
      const client = await Client.open(platform)
      while (performance.now() < until) {
        const created = await recorder.time(async () => {
          const sandbox = await client.create(plan.input)
          await client.echo(sandbox.id)
          return sandbox
        })
        if (created?.warm) warm++
        if (created) await client.remove(created.id)
      }
      client.close()
    }),
  )
  const seconds = (performance.now() - startedAt) / 1000
  const poolHitShare = recorder.count === 0 ? 0 : warm / recorder.count
  const perSecond = recorder.count / seconds
  const note = `${perSecond.toFixed(1)} per second, ${(100 * poolHitShare).toFixed(0)} % from the pool`
  return {
    series: recorder.series(`sustained by ${plan.callers} callers: create to first output`, { note }),
    poolHitShare,
    perSecond,
  }
}
