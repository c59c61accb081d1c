import type { FastifyReply, FastifyRequest } from 'fastify'
import type { GuestProcess, OutputChunk } from '../engine/guest/process.ts'
import { exitView } from './exit-view.ts'
import { type EventStream, streamEvents } from './sse.ts'
import { Utf8Chunks } from './utf8-chunks.ts'

/** Streams what a process writes, then how it ended. The process waits for a client that reads slowly. */
export function streamProcess(request: FastifyRequest, reply: FastifyReply, process: GuestProcess): Promise<void> {
  return streamEvents(request, reply, async ({ send }, signal) => {
    // Reading waits inside for the guest: closing the connection is what ends the wait.
    signal.addEventListener('abort', () => process.detach(), { once: true })
    await send('started', { processId: process.id, pid: process.pid })
    await sendOutput(send, process.output())
    await send('exit', exitView(await process.exit))
  })
}

/** Sends what is printed, as text wherever it is. */
async function sendOutput(send: EventStream['send'], output: AsyncIterable<OutputChunk>): Promise<void> {
  const text = { stdout: new Utf8Chunks(), stderr: new Utf8Chunks() }
  for await (const { stream, offset, data } of output) {
    for (const chunk of text[stream].push(offset, data)) await send(stream, chunk)
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    for (const chunk of text[stream].end()) await send(stream, chunk)
  }
}
