import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWithClient } from './client.ts'

const { warren } = await startWithClient()

test('an object is put, looked at, got whole and in part, listed, signed and deleted', async () => {
  const { buckets, objects } = warren
  const made = await buckets.create('papers')
  assert.deepEqual(await buckets.list(), [made])
  async function* pieces() {
    yield Buffer.from('first ')
    yield Buffer.from('second')
  }
  const options = { contentType: 'text/plain', metadata: { by: 'me' }, ifNoneMatch: '*' }
  const wrote = await objects.put('papers', 'a/b ü', pieces(), options)
  await assert.rejects(objects.put('papers', 'a/b ü', 'again', options), { code: 'conflict' })
  const { modifiedAt, ...looked } = await objects.stat('papers', 'a/b ü')
  assert.deepEqual(looked, (({ modifiedAt: _, ...rest }) => rest)(wrote))
  assert.ok(Math.abs(Date.parse(modifiedAt) - Date.parse(wrote.modifiedAt)) < 1000, 'headers have whole seconds')
  assert.equal(await objects.getText('papers', 'a/b ü'), 'first second')
  assert.equal(await objects.getText('papers', 'a/b ü', { offset: 6, length: 3 }), 'sec')
  await objects.put('papers', 'c', new Uint8Array(3))
  assert.deepEqual(await objects.list('papers', { delimiter: '/' }), {
    objects: (await objects.list('papers', { prefix: 'c' })).objects,
    prefixes: ['a/'],
  })
  const keys: string[] = []
  for await (const { key } of objects.listAll('papers')) keys.push(key)
  assert.deepEqual(keys, ['a/b ü', 'c'])
  const { url } = await objects.sign('papers', 'a/b ü', { method: 'GET', expiresInSeconds: 60 })
  assert.equal(await (await fetch(url)).text(), 'first second')
  await assert.rejects(objects.delete('papers', 'a/b ü', { ifMatch: 'other' }), { code: 'conflict' })
  await objects.delete('papers', 'a/b ü', { ifMatch: wrote.etag })
  await assert.rejects(objects.stat('papers', 'a/b ü'), { code: 'not_found' })
  await assert.rejects(buckets.delete('papers'), { code: 'conflict' })
  await objects.delete('papers', 'c')
  await buckets.delete('papers')
})

test('a name that `fetch` would take for a step to another address is refused before anything is sent', async () => {
  for (const key of ['..', '../../../keys', 'a/../b', './a'])
    await assert.rejects(warren.objects.put('papers', key, 'x'), { code: 'invalid_request', status: undefined }, key)
  await assert.rejects(warren.buckets.delete('..'), { code: 'invalid_request', status: undefined })
})
