import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../measure/client.ts'
import { Recorder, type Series, type Target } from '../measure/series.ts'

interface CreatePlan {
  name: string
  /** Given with every create, or made for each. */
  input: object | (() => object)
  times: number
  /** Rest between two, so that the pool can refill and each is measured alone. */
  pauseMs: number
  /** Only creates served so are counted; others are thrown away and tried again. */
  warm?: boolean
  targets?: Target[]
}

/** From the request to create to the output of `echo`, one after the other. */
export async function createToFirstOutput(client: Client, plan: CreatePlan): Promise<Series> {
  const recorder = new Recorder()
  let other = 0
  for (let attempt = 0; recorder.count < plan.times && attempt < plan.times * 2; attempt++) {
    const startedAt = performance.now()
    try {
      const input = typeof plan.input === 'function' ? plan.input() : plan.input
      const { id, warm } = await client.create(input)
      await client.echo(id)
      if (plan.warm === undefined || warm === plan.warm) recorder.add(performance.now() - startedAt)
      else other++
      await client.remove(id)
    } catch (error) {
      recorder.fail(error)
    }
    await sleep(plan.pauseMs)
  }
  const note = other > 0 ? `${other} more were not ${plan.warm ? 'from the pool' : 'cold'} and are left out` : undefined
  return recorder.series(plan.name, { note, ...(plan.targets && { targets: plan.targets }) })
}
