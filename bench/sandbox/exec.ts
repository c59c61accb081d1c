import type { Client } from '../measure/client.ts'
import { Recorder, type Series, type Target } from '../measure/series.ts'

/** `echo` in a sandbox that runs already, one after the other. */
export async function execInRunning(
  client: Client,
  plan: { name: string; input: object; times: number; targets?: Target[] },
): Promise<Series> {
  const { id } = await client.create(plan.input)
  try {
    for (let index = 0; index < 10; index++) await client.echo(id)
    const recorder = new Recorder()
    for (let index = 0; index < plan.times; index++) await recorder.time(() => client.echo(id))
    return recorder.series(plan.name, plan.targets && { targets: plan.targets })
  } finally {
    await client.remove(id)
  }
}
