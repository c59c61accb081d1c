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
