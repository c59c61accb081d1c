import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAnswer } from './http-connection.ts'

test('an answer with a length is complete when its last byte is there', () => {
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  for (let cut = 0; cut < bytes.length; cut++) assert.equal(parseAnswer(bytes.subarray(0, cut)), undefined)
  assert.deepEqual(parseAnswer(bytes), { answer: { status: 200, body: Buffer.from('hello') }, length: bytes.length })
})

test('chunks are joined, and what follows belongs to the next answer', () => {
  const bytes = Buffer.from(
    'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  )
  for (let cut = 0; cut < bytes.length; cut++) assert.equal(parseAnswer(bytes.subarray(0, cut)), undefined)
  const found = parseAnswer(Buffer.concat([bytes, Buffer.from('HTTP/1.1 204')]))
  assert.deepEqual(found, { answer: { status: 201, body: Buffer.from('abcde') }, length: bytes.length })
})

test('an answer without a body ends with its head', () => {
  assert.equal(parseAnswer(Buffer.from('HTTP/1.1 204 No Content\r\nX: y\r\n\r\n'))?.answer.status, 204)
})
