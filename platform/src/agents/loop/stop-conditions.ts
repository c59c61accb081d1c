import { defaultLimits, type Limits } from '../agent.ts'
import type { Cost, RunEnd } from '../journal/entry.ts'
import type { RunState } from '../journal/run-state.ts'
import type { Thread } from '../journal/thread.ts'

export interface StopFacts {
  state: RunState
  /** The conversation that is to go on; none where others begin. */
  thread?: Thread
  limits: Limits
  now: number
  /** What the whole tree of runs has used, and may use. */
  spent: Cost
  budget: { maxTokens?: number | undefined; maxUsd?: number | undefined }
  /** What the next question will use at least. */
  next: Cost
}

export type StopCondition = (facts: StopFacts) => RunEnd | undefined

const maxSteps: StopCondition = ({ state, limits: { maxSteps = defaultLimits.maxSteps } }) =>
  state.turn.steps >= maxSteps ? { reason: 'max_steps', message: `${maxSteps} steps were made` } : undefined

const deadline: StopCondition = ({ state, now, limits: { deadlineSeconds = defaultLimits.deadlineSeconds } }) =>
  now - state.turn.at >= deadlineSeconds * 1000
    ? { reason: 'deadline', message: `${deadlineSeconds} s are over` }
    : undefined

/** Before the call, not after it: what is asked has to be paid. A run that was spawned has the limits of its agent beside those that it shares. */
const tokenBudget: StopCondition = ({ state, limits, spent, budget, next }) =>
  tokensLeft(spent, budget.maxTokens, next) ?? tokensLeft(state.usage, limits.maxTokens, next)

const moneyBudget: StopCondition = ({ state, limits, spent, budget, next }) =>
  moneyLeft(spent, budget.maxUsd, next) ?? moneyLeft(state.usage, limits.maxUsd, next)

function tokensLeft(spent: Cost, maxTokens: number | undefined, next: Cost): RunEnd | undefined {
  const used = spent.inputTokens + spent.outputTokens
  if (maxTokens === undefined || used + next.inputTokens <= maxTokens) return undefined
  return {
    reason: 'token_budget',
    message: `${used} tokens of ${maxTokens} are used, and the next call needs about ${next.inputTokens}`,
  }
}

function moneyLeft({ usd }: Cost, maxUsd: number | undefined, next: Cost): RunEnd | undefined {
  if (maxUsd === undefined || (usd < maxUsd && usd + next.usd <= maxUsd)) return undefined
  const needs = next.usd > 0 ? `, and the next call needs about ${next.usd.toFixed(6)}` : ''
  return { reason: 'money_budget', message: `${usd.toFixed(6)} US dollars of ${maxUsd} are used${needs}` }
}

const invalidCalls: StopCondition = ({ thread, limits: { maxInvalidCalls = defaultLimits.maxInvalidCalls } }) =>
  thread && thread.invalidCalls >= maxInvalidCalls
    ? { reason: 'invalid_calls', message: `${thread.invalidCalls} calls in a row could not be understood` }
    : undefined

/** The same calls with the same results, again and again: one step, or two or three in turn. */
const noProgress: StopCondition = ({ thread, limits: { maxRepeats = defaultLimits.maxRepeats } }) => {
  const { recent } = thread ?? { recent: [] }
  for (let period = 1; period <= 3; period++) {
    const wanted = maxRepeats * period
    if (recent.length < wanted) continue
    const tail = recent.slice(-wanted)
    if (tail.every((did, index) => did === tail[index % period]))
      return {
        reason: 'no_progress',
        message: `the same ${period === 1 ? 'calls' : `${period} steps`} had the same results ${maxRepeats} times`,
      }
  }
  return undefined
}

/** In the order in which they are named as the reason. */
export const stopConditions: readonly StopCondition[] = [
  invalidCalls,
  noProgress,
  maxSteps,
  deadline,
  tokenBudget,
  moneyBudget,
]

/** Why no further call of the model may be made; undefined where it may. */
export function reasonToStop(
  facts: StopFacts,
  conditions: readonly StopCondition[] = stopConditions,
): RunEnd | undefined {
  for (const condition of conditions) {
    const end = condition(facts)
    if (end) return end
  }
  return undefined
}
