import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Answer, type Platform, startPlatform, until } from './platform.ts'
import { startS3 } from './s3-server.ts'

const mib = 1024 * 1024
const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_MAX_OBJECT_MB: '300' })
const at = (bucket: string, key = '') =>
  `/v1/buckets/${bucket}/objects${key && `/${key.split('/').map(encodeURIComponent).join('/')}`}`
const put = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  platform.call('PUT', path, body, { headers })
const make = (name: string) => platform.json('POST', '/v1/buckets', { name })
const codeOf = async (response: Response) => [response.status, ((await response.json()) as Answer).code]

test('a bucket is made, listed, got, and deleted when it is empty', async () => {
  const made = await make('papers')
  assert.deepEqual(made, { id: made.id, name: 'papers', objects: 0, sizeBytes: 0, createdAt: made.createdAt })
  assert.deepEqual((await platform.json('GET', '/v1/buckets')).buckets, [made])
  assert.deepEqual(await codeOf(await platform.call('POST', '/v1/buckets', { name: 'papers' })), [409, 'conflict'])
  for (const name of ['../etc', 'Big', '', '-x', 'a'.repeat(64)])
    assert.equal((await platform.call('POST', '/v1/buckets', { name })).status, 400, name)
  await put(at('papers', 'a'), 'x')
  const { objects, sizeBytes } = await platform.json('GET', '/v1/buckets/papers')
  assert.deepEqual({ objects, sizeBytes }, { objects: 1, sizeBytes: 1 })
  const full = await platform.call('DELETE', '/v1/buckets/papers')
  assert.equal(full.status, 409)
  assert.deepEqual((await full.json()).details, { objects: 1 })
  assert.equal((await platform.call('DELETE', at('papers', 'a'))).status, 204)
  assert.equal((await platform.call('DELETE', '/v1/buckets/papers')).status, 204)
  assert.deepEqual(await codeOf(await platform.call('GET', '/v1/buckets/papers')), [404, 'not_found'])
  assert.deepEqual(await codeOf(await put(at('papers', 'a'), 'x')), [404, 'not_found'])
})

test('an object comes back with its type, its metadata and its digest; HEAD tells the same without the content', async () => {
  await make('things')
  const headers = { 'content-type': 'application/json', 'warren-meta-author': 'somebody', 'Warren-Meta-Page': '7' }
  const wrote = await (await put(at('things', 'a/b c/ü.json'), '{"a":1}', headers)).json()
  assert.deepEqual(wrote, {
    ...{ key: 'a/b c/ü.json', sizeBytes: 7, contentType: 'application/json', modifiedAt: wrote.modifiedAt },
    etag: createHash('sha256').update('{"a":1}').digest('hex'),
    metadata: { author: 'somebody', page: '7' },
  })
  for (const method of ['GET', 'HEAD']) {
    const got = await platform.call(method, at('things', 'a/b c/ü.json'))
    assert.equal(got.status, 200)
    assert.equal(await got.text(), method === 'GET' ? '{"a":1}' : '')
    const names = ['content-type', 'content-length', 'etag', 'warren-meta-author', 'warren-meta-page', 'accept-ranges']
    const expected: (string | null)[] = ['application/json', '7', `"${wrote.etag}"`, 'somebody', '7', 'bytes']
    assert.deepEqual(
      names.map((name) => got.headers.get(name)),
      expected,
    )
    assert.equal(got.headers.get('content-security-policy'), "sandbox; default-src 'none'")
    assert.equal(got.headers.get('x-content-type-options'), 'nosniff')
    assert.equal((await platform.call(method, at('things', 'none'))).status, 404)
  }
  const empty = await put(at('things', 'empty'), '')
  assert.equal((await empty.json()).sizeBytes, 0)
  assert.equal(await (await platform.call('GET', at('things', 'empty'))).text(), '')
})

test('parts of an object: at the beginning, in the middle, at the end, beyond it, and only of the one that is meant', async () => {
  await make('parts')
  const { etag } = await (await put(at('parts', 'digits'), '0123456789')).json()
  const part = async (range: string, more: Record<string, string> = {}) => {
    const got = await platform.call('GET', at('parts', 'digits'), undefined, { headers: { range, ...more } })
    return [got.status, got.status < 300 ? await got.text() : (await got.json()).code, got.headers.get('content-range')]
  }
  assert.deepEqual(await part('bytes=0-2'), [206, '012', 'bytes 0-2/10'])
  assert.deepEqual(await part('bytes=4-4'), [206, '4', 'bytes 4-4/10'])
  assert.deepEqual(await part('bytes=-3'), [206, '789', 'bytes 7-9/10'])
  assert.deepEqual(await part('bytes=7-'), [206, '789', 'bytes 7-9/10'])
  assert.deepEqual(await part('bytes=7-99'), [206, '789', 'bytes 7-9/10'])
  assert.deepEqual(await part('bytes=10-'), [400, 'invalid_request', null])
  assert.deepEqual(await part('bytes=0-2', { 'if-range': `"${etag}"` }), [206, '012', 'bytes 0-2/10'])
  assert.deepEqual(await part('bytes=0-2', { 'if-range': '"other"' }), [200, '0123456789', null])
})

test('conditions: made only when there is none, replaced and deleted only when it is the one, not sent when it is known', async () => {
  await make('once')
  const path = at('once', 'x')
  const all = await Promise.all(
    Array.from({ length: 10 }, (_, i) => put(path, `from ${i}`, { 'if-none-match': '*' }).then(({ status }) => status)),
  )
  assert.deepEqual(all.sort(), [200, ...Array(9).fill(409)])
  const etag = (await platform.call('HEAD', path)).headers.get('etag')!
  assert.deepEqual(await codeOf(await put(path, 'y', { 'if-match': '"other"' })), [409, 'conflict'])
  assert.deepEqual(await codeOf(await put(at('once', 'none'), 'y', { 'if-match': '*' })), [409, 'conflict'])
  assert.deepEqual(await codeOf(await put(path, 'y', { 'if-match': 'bare' })), [400, 'invalid_request'])
  assert.equal((await put(path, 'second', { 'if-match': `"a", ${etag}` })).status, 200)
  const known = (await platform.call('HEAD', path)).headers.get('etag')!
  const asked = (headers: Record<string, string>) => platform.call('GET', path, undefined, { headers })
  const same = await asked({ 'if-none-match': known })
  assert.deepEqual([same.status, await same.text(), same.headers.get('etag')], [304, '', known])
  assert.equal(await (await asked({ 'if-none-match': etag })).text(), 'second')
  assert.equal((await asked({ 'if-match': etag })).status, 409)
  assert.equal((await platform.call('DELETE', path, undefined, { headers: { 'if-match': etag } })).status, 409)
  assert.equal((await platform.call('DELETE', path, undefined, { headers: { 'if-match': known } })).status, 204)
})

test('a list goes by the bytes of the keys, page by page, with a prefix and with what lies below told as one', async () => {
  await make('tree')
  const keys = ['a', 'a/1', 'a/2/x', 'a/2/y', 'a/3', 'a0', 'b/1', 'b/2', 'c', 'ü/1', '~']
  await Promise.all(keys.map((key) => put(at('tree', key), key)))
  const page = async (query: string) => {
    const { objects, prefixes, cursor } = await platform.json('GET', `${at('tree')}?${query}`)
    return { keys: objects.map(({ key }: Answer) => key), prefixes, cursor }
  }
  const every = async (query: string) => {
    const found: { keys: string[]; prefixes: string[] } = { keys: [], prefixes: [] }
    for (let cursor = ''; ; ) {
      const one = await page(query + (cursor && `&cursor=${cursor}`))
      found.keys.push(...one.keys)
      found.prefixes.push(...one.prefixes)
      if (!one.cursor) return found
      cursor = one.cursor
    }
  }
  const sorted = [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
  for (const limit of [1, 2, 3, 100]) {
    assert.deepEqual(await every(`limit=${limit}`), { keys: sorted, prefixes: [] })
    assert.deepEqual(await every(`limit=${limit}&delimiter=/`), {
      keys: ['a', 'a0', 'c', '~'],
      prefixes: ['a/', 'b/', 'ü/'],
    })
    assert.deepEqual(await every(`limit=${limit}&delimiter=/&prefix=a/`), { keys: ['a/1', 'a/3'], prefixes: ['a/2/'] })
    assert.deepEqual(await every(`limit=${limit}&prefix=b`), { keys: ['b/1', 'b/2'], prefixes: [] })
    assert.deepEqual(await every(`limit=${limit}&prefix=zzz`), { keys: [], prefixes: [] })
  }
  assert.equal((await page('limit=11')).cursor, undefined)
  for (const query of ['cursor=no', 'cursor=AA', 'limit=0', 'limit=1001', 'other=1'])
    assert.equal((await platform.call('GET', `${at('tree')}?${query}`)).status, 400, query)
})

test('keys lead nowhere but to objects: strange ones are kept, those that are steps between folders are refused', async () => {
  await make('strange')
  const kept = [
    '/etc/passwd',
    'a//b',
    '...',
    'a b?c#d%e',
    '%2e%2e',
    'x'.repeat(1024),
    '日本語/ファイル',
    "'; drop table",
    '-rf',
    'a\nb',
  ]
  for (const key of kept) {
    assert.equal((await put(at('strange', key), key)).status, 200, key)
    assert.equal(await (await platform.call('GET', at('strange', key))).text(), key)
  }
  const listed = await platform.json('GET', at('strange'))
  assert.deepEqual(listed.objects.map(({ key }: Answer) => key).sort(), [...kept].sort())
  for (const key of ['..%2F..%2Fadmin.key', 'a%2F..%2Fb', '%2E%2E%2Fa', 'a%00b', 'x'.repeat(1025), '%ff']) {
    const { status } = await rawPut(`/v1/buckets/strange/objects/${key}`)
    assert.equal(status, 400, key)
  }
  for (const name of await readdir(join(platform.home, 'buckets'), { recursive: true }))
    assert.match(name, /^[a-z0-9/]+$/)
  const refused: Record<string, string>[] = [
    { 'warren-meta-a_b': 'x' },
    { 'warren-meta-a': 'ü' },
    { 'warren-meta-a': 'x'.repeat(5000) },
  ]
  for (const headers of refused) assert.ok([400, 413].includes((await put(at('strange', 'm'), 'x', headers)).status))
})

test('an object of 200 MiB streams both ways, and the memory of the platform does not grow with it', async () => {
  await make('large')
  const piece = randomBytes(mib)
  const digest = createHash('sha256')
  let left = 200
  const source = new ReadableStream({
    pull(controller) {
      if (left-- === 0) return controller.close()
      digest.update(piece)
      controller.enqueue(new Uint8Array(piece))
    },
  })
  await put(at('large', 'warm-up'), new Uint8Array(8 * mib))
  const before = await residentMib()
  const wrote = await (await platform.call('PUT', at('large', 'big'), source)).json()
  assert.equal(wrote.sizeBytes, 200 * mib)
  assert.equal(wrote.etag, digest.digest('hex'))
  const read = createHash('sha256')
  for await (const chunk of (await platform.call('GET', at('large', 'big'))).body!) read.update(chunk)
  assert.equal(read.digest('hex'), wrote.etag)
  const grown = (await residentMib()) - before
  assert.ok(grown < 120, `${grown} MiB more`)
  await platform.call('DELETE', at('large', 'big'))
})

test('too large, with and without a length beforehand, is refused and leaves nothing', async () => {
  await make('small')
  const before = await contentFiles(platform)
  const declared = await rawPut(at('small', 'x'), { 'content-length': String(301 * mib) })
  assert.equal(declared.status, 413)
  assert.deepEqual(JSON.parse(declared.text).details, { limit: 300 * mib, value: 301 * mib })
  let left = 302
  const source = new ReadableStream({
    pull: (controller) => (left-- === 0 ? controller.close() : controller.enqueue(new Uint8Array(mib))),
  })
  const told = await platform.call('PUT', at('small', 'x'), source).then(codeOf, () => 'broke off')
  assert.ok(told === 'broke off' || told[0] === 413, String(told))
  assert.equal((await platform.call('GET', at('small', 'x'))).status, 404)
  await until('nothing is left', async () => (await contentFiles(platform)) === before)
})

test('an upload that breaks off changes nothing and leaves nothing', async () => {
  await make('broken')
  await put(at('broken', 'x'), 'as it was')
  const before = await contentFiles(platform)
  await rawPut(at('broken', 'x'), { 'content-length': '1000000' }, (request) => {
    request.write(Buffer.alloc(300_000))
    setTimeout(() => request.destroy(), 200)
  }).catch(() => {})
  await until('it is given up', async () => (await contentFiles(platform)) === before)
  assert.equal(await (await platform.call('GET', at('broken', 'x'))).text(), 'as it was')
  assert.ok(!platform.log().includes('request failed'), platform.log())
})

test('each write and each removal is an event, in order, with what the bucket holds then', async () => {
  const { id } = await make('told')
  await put(at('told', 'a'), '12345')
  await put(at('told', 'a'), '123')
  await put(at('told', 'b'), '1')
  await platform.call('DELETE', at('told', 'a'))
  await platform.call('DELETE', at('told', 'b'))
  await platform.call('DELETE', '/v1/buckets/told')
  const { events } = await until('all are told', async () => {
    const found = await platform.json('GET', `/v1/events?subject=${id}`)
    return found.events.length === 7 && found
  })
  const types = events.map(({ type, data }: Answer) => [type, data.key, data.sizeBytes, data.bucketBytes])
  assert.deepEqual(types, [
    ['bucket.created', undefined, undefined, undefined],
    ['object.created', 'a', 5, 5],
    ['object.created', 'a', 3, 3],
    ['object.created', 'b', 1, 4],
    ['object.removed', 'a', 3, 1],
    ['object.removed', 'b', 1, 0],
    ['bucket.deleted', undefined, undefined, undefined],
  ])
  assert.equal(events[1].data.bucket, 'told')
})

test('objects count for the quota of storage, and what is over it is refused before it is all there', async () => {
  await make('counted')
  const storage = async () =>
    (await platform.json('GET', '/v1/quotas')).quotas.find(({ name }: Answer) => name === 'storageMb').used
  const before = await storage()
  await put(at('counted', 'a'), new Uint8Array(3 * mib))
  assert.equal((await storage()) - before, 3)
  await platform.json('PUT', '/v1/quotas', { quotas: { storageMb: before + 5 } })
  assert.deepEqual(await codeOf(await put(at('counted', 'b'), new Uint8Array(3 * mib))), [429, 'limit_exceeded'])
  assert.equal((await put(at('counted', 'b'), new Uint8Array(2 * mib))).status, 200)
  assert.deepEqual(await codeOf(await put(at('counted', 'c'), new Uint8Array(mib))), [429, 'limit_exceeded'])
  await platform.json('PUT', '/v1/quotas', { quotas: { storageMb: null } })
  await platform.call('DELETE', at('counted', 'a'))
  assert.equal((await storage()) - before, 2)
})

test('a signed address allows one thing with one object until its time is over, without a key', async () => {
  await make('shared')
  const sign = async (body: object) => new URL((await platform.json('POST', '/v1/buckets/shared/sign', body)).url)
  const write = await sign({ method: 'PUT', key: 'a b/ü', maxBytes: 10 })
  const fetched = (url: URL, method: string, body?: string) =>
    platform.fetch(url.pathname + url.search, { method, ...(body === undefined ? {} : { body }) })
  assert.deepEqual(await codeOf(await fetched(write, 'PUT', '12345678901')), [413, 'too_large'])
  assert.equal((await fetched(write, 'PUT', '1234567890')).status, 200)
  for (const method of ['GET', 'DELETE', 'HEAD']) assert.equal((await fetched(write, method)).status, 403)
  const read = await sign({ method: 'GET', key: 'a b/ü' })
  assert.equal(await (await fetched(read, 'GET')).text(), '1234567890')
  assert.equal((await fetched(read, 'HEAD')).headers.get('content-length'), '10')
  assert.equal((await fetched(read, 'PUT', 'x')).status, 403)
  const changes: ((url: URL) => void)[] = [
    (url) => url.searchParams.set('expires', String(Number(url.searchParams.get('expires')) + 1)),
    (url) => url.searchParams.set('signature', `${url.searchParams.get('signature')!.slice(0, -1)}_`),
    (url) => url.searchParams.set('maxBytes', '100'),
    (url) => {
      url.pathname += 'x'
    },
  ]
  for (const change of changes) {
    const changed = new URL(read)
    change(changed)
    assert.deepEqual(await codeOf(await fetched(changed, 'GET')), [403, 'forbidden'], String(change))
  }
  const bare = new URL(read)
  bare.search = ''
  assert.equal((await fetched(bare, 'GET')).status, 400)
  const short = await sign({ method: 'GET', key: 'a b/ü', expiresInSeconds: 1 })
  const late = await until('its time is over', async () => {
    const answer = await fetched(short, 'GET')
    return answer.status === 403 ? answer : undefined
  })
  assert.match((await late.json()).message, /was good until/)
  const remove = await sign({ method: 'DELETE', key: 'a b/ü' })
  assert.equal((await fetched(remove, 'DELETE')).status, 204)
  assert.equal((await fetched(read, 'GET')).status, 404)
  await platform.call('DELETE', '/v1/buckets/shared')
  assert.equal((await fetched(read, 'GET')).status, 404)
  for (const url of [write, read, short, remove])
    assert.ok(!platform.log().includes(url.searchParams.get('signature')!), 'a signature is in the log')
  const viewer = await platform.json('POST', '/v1/keys', { name: 'reads', scopes: ['buckets:read'] })
  await make('limited')
  const asViewer = (method: string) =>
    platform.call('POST', '/v1/buckets/limited/sign', { method, key: 'x' }, { headers: { 'x-api-key': viewer.key } })
  assert.equal((await asViewer('GET')).status, 201)
  assert.equal((await asViewer('PUT')).status, 403)
  assert.equal(
    (await platform.call('PUT', at('limited', 'x'), 'y', { headers: { 'x-api-key': viewer.key } })).status,
    403,
  )
})

test('killed at any time, objects are whole or not there, and what was begun goes with the next start', async () => {
  await make('crash')
  await put(at('crash', 'before'), 'before')
  await put(at('crash', 'over'), 'old')
  const before = await contentFiles(platform)
  const begun = rawPut(at('crash', 'over'), { 'content-length': String(50 * mib) }, (request) =>
    request.write(Buffer.alloc(20 * mib)),
  ).catch(() => 'broke off')
  await until('it is being written', async () => (await contentFiles(platform)) > before)
  await platform.kill('SIGKILL')
  await begun
  await platform.start()
  assert.equal(await (await platform.call('GET', at('crash', 'over'))).text(), 'old')
  assert.equal(await (await platform.call('GET', at('crash', 'before'))).text(), 'before')
  await until('what was begun is gone', async () => (await contentFiles(platform)) === before)
  assert.equal((await platform.json('GET', at('crash'))).objects.length, 2)
})

test('with S3 behind it the same is so: written, read in parts, replaced, listed, removed, nothing left there', async () => {
  const s3 = await startS3()
  const { url, accessKey, secretKey } = s3.settings
  try {
    await platform.kill('SIGTERM')
    await platform.start({ WARREN_S3_URL: url, WARREN_S3_ACCESS_KEY: accessKey, WARREN_S3_SECRET_KEY: secretKey })
    await make('remote')
    const content = randomBytes(20 * mib)
    for (const body of [Buffer.from('small'), content]) {
      assert.equal((await put(at('remote', 'a/b'), body)).status, 200)
      assert.deepEqual(Buffer.from(await (await platform.call('GET', at('remote', 'a/b'))).arrayBuffer()), body)
    }
    const part = await platform.call('GET', at('remote', 'a/b'), undefined, {
      headers: { range: 'bytes=9000000-9000009' },
    })
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), content.subarray(9_000_000, 9_000_010))
    const inStore = async () =>
      (await readdir(join(s3.directory, 'kept'), { recursive: true })).filter((name) => name.endsWith('_object')).length
    assert.equal(await inStore(), 1)
    assert.equal((await platform.call('GET', at('crash', 'before'))).status, 503, 'its content is in the other store')
    await platform.call('DELETE', at('remote', 'a/b'))
    assert.equal(await inStore(), 0)
    assert.ok(!platform.log().includes(`"${secretKey}"`))
  } finally {
    await platform.kill('SIGTERM')
    await s3.close()
    await platform.start()
  }
})

/** By hand, as fetch would change the address or see that the length is wrong. */
function rawPut(
  path: string,
  headers: Record<string, string> = {},
  send: (request: http.ClientRequest) => void = (request) => request.end(),
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(platform.url)
    const request = http.request(
      { hostname, port, method: 'PUT', path, headers: { 'x-api-key': platform.key, ...headers } },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode!, text }))
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    send(request)
  })
}

async function contentFiles({ home }: Platform): Promise<number> {
  const entries = await readdir(join(home, 'buckets'), { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).length
}

async function residentMib(): Promise<number> {
  const status = await readFile(`/proc/${platform.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024
}
