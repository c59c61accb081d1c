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

export const agentParts = ['experience', 'codebase', 'steps'] as const

/** Measures what agents stand on: how what was experienced is found, how code is read, and what a journalled step costs. */
export async function benchAgents({
  only,
  ...options
}: {
  quick: boolean
  only?: readonly string[] | undefined
  tell: (line: string) => void
}): Promise<AgentsReport> {
  const at = new Date().toISOString()
  const isWanted = (part: (typeof agentParts)[number]) => only === undefined || only.includes(part)
  const { series, figures } = isWanted('experience') ? await measureExperience(options) : { series: [], figures: [] }
  if (isWanted('codebase')) figures.push(...(await measureCodebase(options)))
  if (isWanted('steps')) figures.push(...(await measureSteps(options)))
  return { bench: 'agents', at, series, figures }
}

/** Measures how code is read, alone. */
export async function benchCodebase(options: { quick: boolean; tell: (line: string) => void }): Promise<AgentsReport> {
  return { bench: 'codebase', at: new Date().toISOString(), series: [], figures: await measureCodebase(options) }
}
