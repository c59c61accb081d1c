import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from './logger.ts'

test('the logger blots out keys, in messages and in headers', () => {
  const lines: string[] = []
  const log = createLogger('info', { write: (line) => void lines.push(line) })
  const key = `e2b_${'0123456789'.repeat(4)}`
  log.info({ headers: { authorization: 'Bearer other', 'x-api-key': key }, url: `/x?key=${key}` }, `key ${key}`)
  assert.equal(lines.length, 1)
  assert.ok(!lines[0]!.includes('0123456789') && !lines[0]!.includes('other'), lines[0])
})

test('the logger keeps quiet below its level', () => {
  const lines: string[] = []
  createLogger('warn', { write: (line) => void lines.push(line) }).info('hello')
  assert.deepEqual(lines, [])
})
