import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPlainName } from './download.ts'

test('names of a sandbox that would leave their folder are refused', () => {
  assert.deepEqual(['', '.', '..', '../x', '/etc/passwd', 'a/b', 'a\0b'].filter(isPlainName), [])
  assert.deepEqual(['a', '..a', '.ssh', '文件'].filter(isPlainName), ['a', '..a', '.ssh', '文件'])
})
