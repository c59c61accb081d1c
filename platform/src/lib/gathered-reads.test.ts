import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatheredReads } from './gathered-reads.ts'

/** Answers when told to, and remembers what it was asked. */
function slow() {
  const asked: string[][] = []
  const open: { answer: () => void; fail: () => void }[] = []
  const read = (ids: string[]) => {
    asked.push(ids)
    const { promise, resolve, reject } = Promise.withResolvers<Map<string, string>>()
    open.push({
      answer: () => resolve(new Map(ids.filter((id) => id !== 'none').map((id) => [id, `${id}!`]))),
      fail: () => reject(new Error('away')),
    })
    return promise
  }
  return { asked, open, reads: new GatheredReads(read) }
}

test('who is alone asks at once, and gets undefined for what there is not', async () => {
  const { asked, open, reads } = slow()
  const answers = [reads.get('a'), reads.get('none')]
  assert.deepEqual(asked, [['a'], ['none']])
  for (const { answer } of open) answer()
  assert.deepEqual(await Promise.all(answers), ['a!', undefined])
})

test('those who come while questions are under way ask together, each id once, and never get an answer to an older question', async () => {
  const { asked, open, reads } = slow()
  const first = [reads.get('a'), reads.get('b')]
  const later = [reads.get('a'), reads.get('c'), reads.get('c')]
  assert.deepEqual(asked, [['a'], ['b']])
  open[0]!.answer()
  assert.equal(await first[0], 'a!')
  assert.deepEqual(asked[2], ['a', 'c'])
  open[1]!.answer()
  open[2]!.answer()
  assert.deepEqual(await Promise.all(later), ['a!', 'c!', 'c!'])
})

test('a question that fails fails for those who asked it, and the next is asked nevertheless', async () => {
  const { open, reads } = slow()
  const lost = [reads.get('a'), reads.get('b')]
  const next = reads.get('a')
  open[0]!.fail()
  await assert.rejects(lost[0]!, /away/)
  open[1]!.answer()
  open[2]!.answer()
  assert.deepEqual(await Promise.all([lost[1], next]), ['b!', 'a!'])
})
