import { measureExperience } from './agents/experience.ts'
import { measureSteps } from './agents/steps.ts'
import type { Figure } from './measure/figure.ts'
import type { Series } from './measure/series.ts'

export interface AgentsReport {
  bench: 'agents'
  at: string
  series: Series[]
  figures: Figure[]
}

/** Measures what agents stand on: how what was experienced is found, and what a journalled step costs. */
export async function benchAgents(options: { quick: boolean; tell: (line: string) => void }): Promise<AgentsReport> {
  const { series, figures } = await measureExperience(options)
  return {
    bench: 'agents',
    at: new Date().toISOString(),
    series,
    figures: [...figures, ...(await measureSteps(options))],
  }
}
