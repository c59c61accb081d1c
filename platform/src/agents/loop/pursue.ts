import { Superseded } from '../journal/recorder.ts'
import { matchInTime, mostMatchMs } from '../safety/match-in-time.ts'
import { planAndExecute } from './plan-and-execute.ts'
import { react } from './react.ts'
import type { Running, Turn } from './running.ts'
import { takeMessages } from './take-messages.ts'

const defaultAttempts = 3

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
  const { spec, input, conversation, lessons } = recorder.state.started
  const { policy = 'react', instructions = '', completion } = spec
  if (policy === 'react' && !recorder.state.threads.has('main'))
    recorder.record({
      type: 'thread.opened',
      data: { thread: 'main', system: instructions, text: lessons ? `${input}\n\n${lessons}` : input },
    })

  for (;;) {
    // A conversation begins with a message.
    const isEmpty = conversation && !recorder.state.threads.get('main')?.messages.some(({ role }) => role === 'user')
    if (isEmpty && !input && !(await takeMessages(run, ['steer', 'follow_up', 'interrupt'])))
      return { type: 'wait', for: 'message' }
    const turn = policy === 'plan' ? await planAndExecute(run) : await react(run, 'main')
    if (turn.type !== 'answer') return turn
    if (await takeMessages(run, ['steer', 'follow_up', 'interrupt'])) continue

    const [matches] = (completion && matchInTime([{ pattern: completion.matches, text: turn.text }])) ?? []
    if (completion && matches === undefined) {
      const message = `whether the answer matches ${completion.matches} could not be told in ${mostMatchMs} ms`
      return { type: 'end', end: { reason: 'not_accepted', output: turn.text, message } }
    }
    if (completion && !matches) {
      const { attempts = defaultAttempts } = completion
      if (recorder.state.turn.rejected >= attempts)
        return {
          type: 'end',
          end: {
            reason: 'not_accepted',
            output: turn.text,
            message: `no answer in ${attempts + 1} matches ${completion.matches}`,
          },
        }
      const text = `Your answer is not accepted: it must match the regular expression ${completion.matches}. Answer again.`
      recorder.record({ type: 'message.added', data: { text, mode: 'steer', thread: 'main' } })
      continue
    }
    if (conversation) return { type: 'wait', for: 'message' }
    return { type: 'end', end: { reason: 'completed', output: turn.text } }
  }
}
