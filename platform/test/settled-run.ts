import { type Answer, type Platform, until } from './platform.ts'

/** The run of an agent, once it has ended or waits. */
export function settledRun(platform: Platform, runId: string, withinMs = 60_000): Promise<Answer> {
  return until(
    `run ${runId} has settled`,
    async () => {
      const found = await platform.json('GET', `/v1/runs/${runId}`)
      return ['queued', 'running'].includes(found.state) ? undefined : found
    },
    withinMs,
  )
}
