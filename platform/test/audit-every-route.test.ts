import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fastify } from 'fastify'
import { auditTrail } from '../src/http/audit-trail.ts'
import { type Answer, startPlatform, until } from './platform.ts'

test('a route that changes something, or reads what only some may, and declares neither a verb nor why it needs none is refused when it is added', () => {
  const app = fastify()
  auditTrail(app, {} as never)
  const handler = async () => 'done'
  app.get('/read', handler)
  app.post('/told', { config: { audit: 'thing.make' } }, handler)
  app.post('/reasoned', { config: { unaudited: 'it does nothing' } }, handler)
  for (const permission of [
    'sandboxes:exec',
    'secrets:read',
    'keys:manage',
    ['sandboxes:read', 'sandboxes:exec'],
  ] as const)
    assert.throws(() => app.get('/spied', { config: { permission } }, handler), /\/spied declares no verb/)
  for (const method of ['post', 'put', 'patch', 'delete'] as const)
    assert.throws(() => app[method]('/forgotten', handler), /\/forgotten declares no verb/)
})

test('what had no entry has one: signed addresses, secrets that are read, input of processes, messages', async () => {
  const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
  const bucket = await platform.json('POST', '/v1/buckets', { name: 'shared' })
  const signed = async (method: string) => {
    const { url } = await platform.json('POST', '/v1/buckets/shared/sign', { method, key: 'k' })
    return url.slice(new URL(url).origin.length)
  }
  const put = await signed('PUT')
  assert.equal((await platform.fetch(put, { method: 'PUT', body: 'x' })).status, 200)
  assert.equal((await platform.fetch(await signed('GET'))).status, 200)
  assert.equal(
    (await platform.fetch(put.replace(/signature=./, 'signature=_'), { method: 'PUT', body: 'x' })).ok,
    false,
  )
  assert.equal((await platform.fetch(await signed('DELETE'), { method: 'DELETE' })).status, 204)

  await platform.json('POST', '/v1/secrets', { name: 'A', value: 'v' })
  for (const path of ['/v1/secrets', '/v1/secrets/A', '/secrets']) await platform.json('GET', path)

  await platform.json('PUT', '/v1/queues/q', {})
  await platform.json('POST', '/v1/queues/q/messages', { messages: [{ body: 'hello' }] })
  const { messages } = await platform.json('POST', '/v1/queues/q/receive', {})
  await platform.json('POST', '/v1/queues/q/delete', {
    messages: messages.map(({ id, receipt }: Answer) => ({ id, receipt })),
  })

  const sandbox = await platform.sandbox()
  const { id } = await platform.json('POST', `${sandbox}/processes`, { command: ['cat'], stdin: true })
  const input = await platform.call('POST', `${sandbox}/processes/${id}/stdin`, 'typed')
  assert.equal(input.status, 204, await input.text())
  const sandboxId = sandbox.split('/').at(-1)!
  const { envdAccessToken } = await platform.json('GET', `/sandboxes/${sandboxId}`)
  const inside = { 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '49983', 'x-access-token': envdAccessToken }
  const { processes } = await platform.json('GET', `${sandbox}/processes`)
  for (const stdin of ['YQ==', 'Yg==', 'Yw=='])
    await platform.fetch('/process.Process/SendInput', {
      method: 'POST',
      headers: { ...inside, 'content-type': 'application/json' },
      body: JSON.stringify({ process: { pid: processes[0].pid }, input: { stdin } }),
    })

  const wanted = [
    ...['object.put', 'object.get', 'object.delete', 'queue.send', 'queue.receive', 'queue.delete_messages'],
    ...['secret.list', 'secret.read', 'process.write_input'],
  ]
  // They come in order: what was told before this is there when this is.
  await platform.json('POST', '/v1/volumes', { name: 'last', sizeMb: 16 })
  const all: Answer = await until('all are told', async () => {
    const { entries } = await platform.json('GET', '/v1/audit?limit=1000')
    const done = entries.filter(({ outcome }: Answer) => outcome !== 'begun')
    const has = (verb: string) => done.some(({ action }: Answer) => action === verb)
    const typed = done.filter(({ action }: Answer) => action === 'process.write_input')
    return [...wanted, 'volume.create'].every(has) && typed.length >= 2 && entries
  })
  const told = (verb: string) => all.filter(({ action, outcome }: Answer) => action === verb && outcome !== 'begun')
  for (const verb of ['object.put', 'object.get', 'object.delete']) {
    assert.deepEqual(
      told(verb).map(({ actorKind, subject, outcome }: Answer) => [actorKind, subject, outcome]),
      [['signature', `${bucket.id}/k`, 'done']],
      verb,
    )
  }
  const typed = all.filter(({ action }: Answer) => action === 'process.write_input')
  const begun = typed.filter(({ outcome }: Answer) => outcome === 'begun').map(({ actorKind }: Answer) => actorKind)
  assert.deepEqual(begun.sort(), ['admin', 'token'], 'of what is typed key by key one entry')
  assert.ok(!JSON.stringify(all).includes('typed'))
})

test('what is done to the files of a volume with its token is recorded, writes before they happen; so is who looks at keys, members and logs', async () => {
  const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
  const { volumeID, token } = await platform.json('POST', '/volumes', { name: 'told' })
  const ask = (method: string, at: string, body?: string, bearer = token) =>
    platform.fetch(`/volumecontent/${volumeID}${at}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        ...(method === 'PATCH' ? { 'content-type': 'application/json' } : {}),
      },
      ...(body === undefined ? {} : { body }),
    })
  assert.equal((await ask('PUT', '/file?path=/a.txt', 'hidden words')).status, 201)
  assert.equal(await (await ask('GET', '/file?path=/a.txt')).text(), 'hidden words')
  assert.equal((await ask('POST', '/dir?path=/d')).status, 201)
  assert.equal((await ask('GET', '/dir?path=/')).status, 200)
  assert.equal((await ask('GET', '/path?path=/none')).status, 404)
  assert.equal((await ask('PATCH', '/path?path=/a.txt', '{"mode":384}')).status, 200)
  assert.equal((await ask('DELETE', '/path?path=/a.txt')).status, 204)
  assert.equal((await ask('GET', '/dir?path=/', undefined, 'x')).status, 401)
  const entries: Answer[] = await until('all is told', async () => {
    const told = (await platform.json('GET', `/v1/audit?subject=${volumeID}`)).entries.reverse()
    return told.filter(({ actorKind }: Answer) => actorKind === 'token').length >= 11 && told
  })
  assert.deepEqual(
    entries
      .filter(({ actorKind }) => actorKind === 'token')
      .map(({ action, outcome, details }) => [action, outcome, details.path]),
    [
      ['file.write', 'begun', '/a.txt'],
      ['file.write', 'done', '/a.txt'],
      ['file.read', 'done', '/a.txt'],
      ['file.make_directory', 'begun', '/d'],
      ['file.make_directory', 'done', '/d'],
      ['file.list', 'done', '/'],
      ['file.stat', 'refused', '/none'],
      ['file.set_attributes', 'begun', '/a.txt'],
      ['file.set_attributes', 'done', '/a.txt'],
      ['file.remove', 'begun', '/a.txt'],
      ['file.remove', 'done', '/a.txt'],
    ],
  )
  assert.doesNotMatch(JSON.stringify(entries), /hidden/)

  const sandbox = await platform.sandbox()
  const id = sandbox.split('/').at(-1)!
  const looked = {
    'key.list': '/v1/keys',
    'service_account.list': '/v1/service-accounts',
    'member.list': '/v1/orgs/org0/members',
    'invitation.list': '/v1/orgs/org0/invitations',
    'process.list': `${sandbox}/processes`,
    'sandbox.read_logs': `${sandbox}/logs`,
    'sandbox.read': `/sandboxes/${id}`,
    'volume.read': `/volumes/${volumeID}`,
  }
  for (const path of Object.values(looked)) assert.equal((await platform.call('GET', path)).status, 200, path)
  await until('and who looked', async () => {
    const { entries } = await platform.json('GET', '/v1/audit?limit=1000')
    return Object.keys(looked).every((verb) =>
      entries.some(({ action, actor, outcome }: Answer) => action === verb && actor === 'admin' && outcome === 'done'),
    )
  })
})
