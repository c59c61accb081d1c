import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Shell } from './shell.ts'

test('scripts run one after the other, with arguments and input, and each ends by itself', async () => {
  const shell = new Shell(['sh'])
  await shell.run({ text: '[ "$1" = "it\'s \\$HOME" ] && [ "$#" = 2 ]', arguments: ["it's $HOME", ''] })
  await shell.run({ text: 'read -r line; [ "$line" = "a b" ]', input: 'a b\nc' })
  const failing = shell.run({ text: 'x=1\necho first\nfalse\necho never' })
  const next = shell.run({ text: '[ "$(set | grep -c ^x=)" = 0 ]' })
  await assert.rejects(failing, /ended with exit code 1: first$/)
  await next
  await assert.rejects(shell.run({ text: 'exit 3' }), /exit code 3$/)
  await assert.rejects(shell.run({ text: 'echo "$never_set"' }), /never_set/)
  await shell.run({ text: 'head -c 100000 /dev/zero | tr "\\0" x' })
  await shell.close()
})

test('a shell that is killed is told, and the next script has another one', async () => {
  const shell = new Shell(['sh'])
  await assert.rejects(shell.run({ text: 'kill -9 $$; sleep 5' }), /was killed/)
  await shell.run({ text: 'true' })
  await shell.close()
  const missing = new Shell(['/no/such/shell'])
  await assert.rejects(missing.run({ text: 'true' }), /could not be started/)
})
