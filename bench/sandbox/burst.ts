import { Client } from '../measure/client.ts'
import type { Platform } from '../measure/platform.ts'
import { Recorder, type Series } from '../measure/series.ts'

/** Many callers at the same moment, each with a connection of its own, each from create to the output of `echo`. */
export async function burst(platform: Platform, plan: { callers: number; input: object }): Promise<Series> {
  const recorder = new Recorder()
  const clients = await Promise.all(Array.from({ length: plan.callers }, () => Client.open(platform)))
  const ids: string[] = []
  let warm = 0
  await Promise.all(
    clients.map((client) =>
      recorder.time(async () => {
        const created = await client.create(plan.input)
        ids.push(created.id)
        if (created.warm) warm++
        await client.echo(created.id)
      }),
    ),
  )
  await Promise.all(ids.map((id, index) => clients[index]!.remove(id)))
  for (const client of clients) client.close()
  return recorder.series(`burst of ${plan.callers}: create to first output`, {
    note: `${warm} from the pool`,
    targets: [{ percentile: 'p99', atMost: 1500 }],
  })
}
