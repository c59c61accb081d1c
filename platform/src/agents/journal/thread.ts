import { noCost } from './entry.ts'
import type { Thread } from './run-state.ts'

/** One in which nothing was said yet. */
export const emptyThread = (): Thread => ({
  messages: [],
  digest: '',
  steps: 0,
  step: 0,
  cost: noCost,
  offered: [],
  compactions: 0,
  open: new Map(),
  recent: [],
  invalidCalls: 0,
})

/** What the names of conversations begin with in which an answer is judged, and what was said summarised. */
export const aside = { judge: 'judge:', summary: 'summary:' } as const
