import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { NodePass } from './node-pass.ts'

const requestWith = (rawHeaders: string[]) =>
  ({
    rawHeaders,
    headers: Object.fromEntries(
      rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1]]] : [])),
    ),
  }) as unknown as IncomingMessage

test('a node knows another one of the same keys, and for whom it asks; of the pass nothing is left', () => {
  const request = requestWith(new NodePass('seed').on(['Host', 'a', 'X-Api-Key', 'k'], '192.0.2.7'))
  assert.equal(new NodePass('seed').take(request), '192.0.2.7')
  assert.deepEqual(request.rawHeaders, ['Host', 'a', 'X-Api-Key', 'k'])
  assert.deepEqual(Object.keys(request.headers), ['host', 'x-api-key'])
})

test('of other keys, of none, or for nobody it knows none, and takes the headers off all the same', () => {
  const given = new NodePass('seed').on(['Host', 'a'], '192.0.2.7')
  for (const headers of [
    new NodePass('other').on(['Host', 'a'], '192.0.2.7'),
    ['Host', 'a', 'Warren-Node-Client', '192.0.2.7'],
    [...given.slice(0, 4), 'warren-node-client', 'somebody'],
    ['Host', 'a', 'WARREN-NODE-PASS', '', 'warren-node-client', '192.0.2.7'],
  ]) {
    const request = requestWith(headers)
    assert.equal(new NodePass('seed').take(request), undefined)
    assert.deepEqual(request.rawHeaders, ['Host', 'a'])
  }
})

test('what a client claims to be a pass is not passed on', () => {
  const forged = ['Host', 'a', 'Warren-Node-Pass', 'mine', 'warren-node-client', '203.0.113.9']
  const passed = new NodePass('seed').on(forged, '192.0.2.7')
  assert.equal(passed.filter((name) => name.toLowerCase().startsWith('warren-node')).length, 2)
  assert.equal(new NodePass('seed').take(requestWith(passed)), '192.0.2.7')
})
