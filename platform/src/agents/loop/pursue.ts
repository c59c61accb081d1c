import type { AgentSpec } from '../agent.ts'
import type { RunEnd } from '../journal/entry.ts'
import { Superseded } from '../journal/recorder.ts'
import { matchInTime, mostMatchMs } from '../safety/match-in-time.ts'
import { judgeAnswer } from './judge-answer.ts'
import { planAndExecute } from './plan-and-execute.ts'
import { react } from './react.ts'
import type { Running, Turn } from './running.ts'
import { takeMessages } from './take-messages.ts'
import { walkGraph } from './walk-graph.ts'

const defaultAttempts = 3

function step(run: Running, policy: 'react' | 'plan' | 'graph'): Promise<Turn> {
  if (policy === 'graph') return walkGraph(run)
  return policy === 'plan' ? planAndExecute(run) : react(run, 'main')
}

/**
 * Carries a run on from wherever its journal ends, until it ends or has to wait. What it answers is not recorded yet. Rejects only
 * where the journal cannot be written; every other failure is an end with a reason.
 */
export async function pursue(run: Running): Promise<Exclude<Turn, { type: 'answer' }>> {
  try {
    return await turns(run)
  } catch (error) {
    // What was not written did not happen: whoever carries the run on begins before it.
    await run.recorder.flush(true)
    if (error instanceof Superseded) throw error
    return { type: 'end', end: { reason: 'internal', message: error instanceof Error ? error.message : String(error) } }
  }
}

async function turns(run: Running): Promise<Exclude<Turn, { type: 'answer' }>> {
  const { recorder } = run
  const { spec, input, images, conversation, lessons } = recorder.state.started
  const { policy = 'react', instructions = '', completion } = spec
  if (policy === 'react' && !recorder.state.threads.has('main'))
    recorder.record({
      type: 'thread.opened',
      data: {
        ...{ thread: 'main', system: instructions, text: lessons ? `${input}\n\n${lessons}` : input },
        ...(images && { images }),
      },
    })

  for (;;) {
    // A conversation begins with a message.
    const isEmpty = conversation && !recorder.state.threads.get('main')?.messages.some(({ role }) => role === 'user')
    if (isEmpty && !input && !(await takeMessages(run, ['steer', 'follow_up', 'interrupt'])))
      return { type: 'wait', for: 'message' }
    const turn = await step(run, policy)
    if (turn.type !== 'answer') return turn
    if (await takeMessages(run, ['steer', 'follow_up', 'interrupt'])) continue

    const end = completion && (await judge(run, completion, turn.text))
    if (end === 'again') continue
    if (end) return { type: 'end', end }
    if (conversation) return { type: 'wait', for: 'message' }
    return { type: 'end', end: { reason: 'completed', output: turn.text } }
  }
}

/** Whether an answer is accepted: by its pattern, then by a model. Answers `again` where the agent was told why not, and the end of the run where it was told often enough. */
async function judge(
  run: Running,
  { matches, judge: criteria, attempts = defaultAttempts }: NonNullable<AgentSpec['completion']>,
  answer: string,
): Promise<RunEnd | 'again' | undefined> {
  const { recorder } = run
  const rejected = (message: string): RunEnd => ({ reason: 'not_accepted', output: answer, message })
  let why: string | undefined
  if (matches !== undefined) {
    const [does] = matchInTime([{ pattern: matches, text: answer }]) ?? []
    if (does === undefined)
      return rejected(`whether the answer matches ${matches} could not be told in ${mostMatchMs} ms`)
    if (!does) why = `it must match the regular expression ${matches}`
  }
  if (why === undefined && criteria !== undefined) {
    const verdict = await judgeAnswer(run, { answer, criteria })
    if ('end' in verdict) return verdict.end
    if (!verdict.accepted) why = verdict.reason
  }
  if (why === undefined) return undefined
  const { rejected: times } = recorder.state.turn
  if (times >= attempts) return rejected(`none of ${attempts + 1} answers is accepted: ${why}`)
  const text = `Your answer is not accepted: ${why}. Answer again.`
  recorder.record({ type: 'message.added', data: { text, mode: 'steer', thread: 'main' } })
  return 'again'
}
