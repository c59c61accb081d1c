import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPlainHead } from './head.ts'

const line = 'POST /v1/functions/hello/invoke HTTP/1.1'
const head = (...lines: string[]) => readPlainHead([line, ...lines].join('\r\n'))

test('a head that can be read in one way only is read: names in lower case, values without the blanks around them', () => {
  const read = head('Host: here:7070', 'X-API-Key:k', 'Content-Length: 12 ', 'connection: Keep-Alive')
  assert.deepEqual(
    { ...read, headers: { ...read?.headers } },
    {
      method: 'POST',
      url: '/v1/functions/hello/invoke',
      headers: { host: 'here:7070', 'x-api-key': 'k', 'content-length': '12', connection: 'Keep-Alive' },
      bodyBytes: 12,
    },
  )
})

test('whatever somebody could read in another way is left to the parser that knows all of HTTP', () => {
  const plain = ['host: a', 'content-length: 1']
  assert.ok(head(...plain))
  for (const [what, ...lines] of [
    ['a second length', ...plain, 'content-length: 2'],
    ['a second length that is the same', ...plain, 'Content-Length: 1'],
    ['chunks beside a length', ...plain, 'transfer-encoding: chunked'],
    ['a length with a sign', 'host: a', 'content-length: +1'],
    ['a length in hexadecimal', 'host: a', 'content-length: 0x1'],
    ['two lengths in one line', 'host: a', 'content-length: 1, 1'],
    ['no length', 'host: a'],
    ['a blank before the colon', 'host: a', 'content-length : 1'],
    ['a line that goes on', ...plain, 'x-a: b', ' c'],
    ['a line feed alone', ...plain, 'x-a: b\nx-b: c'],
    ['a carriage return alone', ...plain, 'x-a: b\rx-b: c'],
    ['a zero', ...plain, 'x-a: \0'],
    ['an empty name', ...plain, ': a'],
    ['no colon', ...plain, 'x'],
    ['no host', 'content-length: 1'],
    ['two hosts', ...plain, 'host: b'],
    ['a connection that ends', ...plain, 'connection: close'],
    ['another protocol', ...plain, 'upgrade: websocket'],
    ['somebody who waits', ...plain, 'expect: 100-continue'],
    ['a name like that of what objects have', ...plain, '__proto__: a', '__proto__: b'],
  ] as const)
    assert.equal(head(...lines), undefined, what)
  for (const first of [
    'GET / HTTP/1.1',
    'POST / HTTP/1.0',
    'POST  / HTTP/1.1',
    'POST /a?b HTTP/1.1',
    'POST http://a/ HTTP/1.1',
    'POST /%61 HTTP/1.1',
    ' POST / HTTP/1.1',
    '',
  ])
    assert.equal(readPlainHead([first, ...plain].join('\r\n')), undefined, first)
})
