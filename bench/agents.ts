import { measureCodebase } from './agents/codebase.ts'
import { measureExperience } from './agents/experience.ts'
import { measureSteps } from './agents/steps.ts'
import type { Figure } from './measure/figure.ts'
import type { Series } from './measure/series.ts'

export interface AgentsReport {
  bench: 'agents' | 'codebase'
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
    figures: [...figures, ...(await measureCodebase(options)), ...(await measureSteps(options))],
  }
}

/** Measures how code is read, alone. */
export async function benchCodebase(options: { quick: boolean; tell: (line: string) => void }): Promise<AgentsReport> {
  return { bench: 'codebase', at: new Date().toISOString(), series: [], figures: await measureCodebase(options) }
}
