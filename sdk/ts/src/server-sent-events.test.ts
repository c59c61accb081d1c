import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEventParser, readServerSentEvents, type ServerSentEvent } from './server-sent-events.ts'

const text =
  'event: stdout\ndata: {"a":"沙箱"}\n\n: still here\n\nevent: exit\r\ndata: one\r\ndata: two\r\n\r\ndata:bare\r\rid: 7\n\n'
const expected: ServerSentEvent[] = [
  { event: 'stdout', data: '{"a":"沙箱"}' },
  { event: 'exit', data: 'one\ntwo' },
  { event: 'message', data: 'bare' },
]

test('events come out the same wherever the bytes are cut', async () => {
  const bytes = new TextEncoder().encode(text)
  for (let size = 1; size <= bytes.length; size++) {
    assert.deepEqual(await collect(chunksOf(bytes, size)), expected, `chunks of ${size} bytes`)
  }
})

test('an event that the end cuts off is not told', async () => {
  assert.deepEqual(await collect(chunksOf(new TextEncoder().encode('data: whole\n\ndata: cut\n'), 5)), [
    { event: 'message', data: 'whole' },
  ])
})

test('one blank after the colon is dropped, further ones and colons are kept', () => {
  assert.deepEqual(createEventParser()('data:  a: b\n\n'), [{ event: 'message', data: ' a: b' }])
})

test('the body is cancelled when the reader stops early', async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: again\n\n')),
    cancel: () => {
      cancelled = true
    },
  })
  for await (const _ of readServerSentEvents(body)) break
  assert.equal(cancelled, true)
})

function chunksOf(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size))
      controller.close()
    },
  })
}

async function collect(body: ReadableStream<Uint8Array>): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readServerSentEvents(body)) events.push(event)
  return events
}
