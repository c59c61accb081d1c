import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { frame, kind } from './frames.ts'

type Take = (frameKind: number, id: number, payload: Buffer) => void

/** What reads frames inside a sandbox, as it is put before each program in JavaScript. */
async function reader(): Promise<(data: Buffer, take: Take) => void> {
  const source = await readFile(new URL('programs/wire.cjs', import.meta.url), 'utf8')
  const make = new Function('require', 'module', 'kind', `${source}\nreturn receive`)
  return make(createRequire(import.meta.url), { exports: {} }, kind)
}

const sent = [
  { frameKind: kind.load, id: 0, payload: 'code '.repeat(300) },
  { frameKind: kind.invoke, id: 1, payload: '' },
  { frameKind: kind.invoke, id: 2, payload: 'a call' },
  { frameKind: kind.room, id: 2, payload: 'more' },
]
const bytes = Buffer.concat(sent.flatMap(({ frameKind, id, payload }) => frame(frameKind, id, Buffer.from(payload))))

test('frames are read whole and in their order, wherever what comes is cut, though what it comes in is used again', async () => {
  for (const size of [1, 2, 3, 4, 5, 8, 9, 10, 13, 64, 1500, 1513, bytes.length]) {
    const receive = await reader()
    const landing = Buffer.alloc(size)
    const payloads: Buffer[] = []
    const heard: { frameKind: number; id: number }[] = []
    for (let at = 0; at < bytes.length; at += size) {
      const count = bytes.copy(landing, 0, at, at + size)
      receive(landing.subarray(0, count), (frameKind, id, payload) => {
        heard.push({ frameKind, id })
        payloads.push(payload)
      })
      landing.fill(0)
    }
    // Read at the end: a payload is its receiver's for good.
    const read = heard.map((one, at) => ({ ...one, payload: payloads[at]!.toString() }))
    assert.deepEqual(read, sent, `in pieces of ${size}`)
  }
})
