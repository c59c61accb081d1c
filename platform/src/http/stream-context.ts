import type { ContextEvent } from '../engine/guest/context-execution.ts'
import type { EventStream } from './sse.ts'
import { Utf8Chunks } from './utf8-chunks.ts'

/** Sends what code in a context prints and shows, in its order; text as text wherever it is. */
export async function sendContextEvents(send: EventStream['send'], events: AsyncIterable<ContextEvent>): Promise<void> {
  const text = { stdout: new Utf8Chunks(), stderr: new Utf8Chunks() }
  for await (const event of events) {
    if (event.stream === 'started') continue
    if (event.stream === 'result') await send('result', event.result)
    else for (const chunk of text[event.stream].push(event.offset, event.data)) await send(event.stream, chunk)
  }
  for (const stream of ['stdout', 'stderr'] as const) for (const chunk of text[stream].end()) await send(stream, chunk)
}
