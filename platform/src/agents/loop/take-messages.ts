import type { MessageMode } from '../journal/entry.ts'
import type { Running } from './running.ts'

/** Takes what has come in of these modes into the conversation, each message once. Answers whether there was any. */
export async function takeMessages(run: Running, modes: readonly MessageMode[]): Promise<boolean> {
  const { recorder } = run
  const found = (await run.incoming()).filter(({ mode }) => modes.includes(mode))
  if (found.length === 0) return false
  // One that is in the journal already was not forgotten only because a crash came between.
  const fresh = found.filter(({ id }) => !recorder.state.received.has(id))
  for (const { id, mode, text, images } of fresh)
    recorder.record({ type: 'message.added', data: { text, mode, id, ...(images && { images }) } })
  await recorder.flush(true)
  await run.taken(found.map(({ id }) => id))
  return fresh.length > 0
}
