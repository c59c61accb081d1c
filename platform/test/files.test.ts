import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventsOf } from './events.ts'
import { type Answer, lacksOf, type Reply, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)
const sandbox = await platform.sandbox({ timeout: 3600 })
const files = (query: Record<string, string>, rest = '') => `${sandbox}/files${rest}?${new URLSearchParams(query)}`
const execute = (command: string): Promise<Answer> => platform.json('POST', `${sandbox}/execute`, { command })

async function refusal(response: Promise<Reply>): Promise<[number, string, string]> {
  const answer = await response
  const { code, message } = await answer.json()
  return [answer.status, code, message]
}

test('what is written is read again, byte for byte, with folders on the way made', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
  const path = '/home/user/a/b c/ü%.bin'
  const stat = await platform.json('PUT', files({ path, mode: '0600' }), bytes)
  assert.deepEqual(
    [stat.path, stat.name, stat.type, stat.size, stat.mode, stat.owner],
    [path, 'ü%.bin', 'file', 256, '0600', 'user'],
  )
  const response = await platform.call('GET', files({ path }))
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
  assert.equal(response.headers.get('content-length'), '256')
  assert.equal(response.headers.get('x-file-mode'), '0600')
  assert.deepEqual(await platform.json('GET', files({ path }, '/stat')), stat)
  assert.equal((await execute("stat -c '%a %U' '/home/user/a/b c/ü%.bin'")).stdout, '600 user\n')
})

test('a file is replaced as a whole, also by nothing', async () => {
  await platform.json('PUT', files({ path: 'note' }), 'a long first version')
  await platform.json('PUT', files({ path: 'note' }), 'short')
  assert.equal(await (await platform.call('GET', files({ path: '/home/user/note' }))).text(), 'short')
  assert.equal((await platform.json('PUT', files({ path: 'note' }), '')).size, 0)
  assert.equal(await (await platform.call('GET', files({ path: '~/note' }))).text(), '')
})

test('a part of a file is read by Range', async () => {
  await platform.json('PUT', files({ path: '/tmp/letters' }), 'abcdefghij')
  const read = async (range: string) => {
    const response = await platform.call('GET', files({ path: '/tmp/letters' }), undefined, { headers: { range } })
    return [response.status, response.headers.get('content-range'), await response.text()]
  }
  assert.deepEqual(await read('bytes=2-4'), [206, 'bytes 2-4/10', 'cde'])
  assert.deepEqual(await read('bytes=7-'), [206, 'bytes 7-9/10', 'hij'])
  assert.deepEqual(await read('bytes=-2'), [206, 'bytes 8-9/10', 'ij'])
  assert.equal((await read('bytes=10-'))[0], 400)
  assert.equal((await read('nonsense'))[2], 'abcdefghij')
})

test('files of /proc, which say they are empty, are read', async () => {
  assert.match(await (await platform.call('GET', files({ path: '/proc/self/status' }))).text(), /^Name:/)
})

test('50 MB go up and down as streams, and our memory stays flat', async () => {
  const before = residentMb()
  const block = Buffer.alloc(1 << 20, 'warren')
  let left = 50
  const source = new ReadableStream({ pull: (to) => (left-- > 0 ? to.enqueue(block) : to.close()) })
  const stat = await platform.json('PUT', files({ path: '/home/user/large' }), source)
  assert.equal(stat.size, 50 << 20)

  const expected = createHash('sha256')
  for (let i = 0; i < 50; i++) expected.update(block)
  const hash = createHash('sha256')
  for await (const chunk of (await platform.call('GET', files({ path: '/home/user/large' }))).body!) hash.update(chunk)
  assert.equal(hash.digest('hex'), expected.digest('hex'))
  assert.ok(residentMb() - before < 100, `grew by ${residentMb() - before} MB`)
  await platform.call('DELETE', files({ path: '/home/user/large' }))
})

test('a caller that stops in the middle of an upload leaves no half file', async () => {
  const controller = new AbortController()
  // fetch() goes on reading the body of a call it has given up: the stream itself must end.
  const endless = new ReadableStream({
    pull: async (to) => {
      await sleep(1)
      if (controller.signal.aborted) to.close()
      else to.enqueue(Buffer.alloc(65_536))
    },
  })
  const upload = platform.call('PUT', files({ path: '/home/user/half' }), endless, { signal: controller.signal })
  await until('it has begun', async () => (await platform.call('GET', files({ path: '/home/user/half' }, '/stat'))).ok)
  controller.abort()
  await assert.rejects(upload)
  await until(
    'it is gone',
    async () => (await platform.call('GET', files({ path: '/home/user/half' }, '/stat'))).status === 404,
  )
})

test('a caller that stops in the middle of a download does no harm', async () => {
  await execute('head -c 30M /dev/zero > /tmp/zeros')
  const controller = new AbortController()
  const response = await platform.call('GET', files({ path: '/tmp/zeros' }), undefined, { signal: controller.signal })
  await response.body!.getReader().read()
  controller.abort()
  assert.equal((await platform.call('GET', files({ path: '/tmp/zeros' }, '/stat'))).status, 200)
})

test('folders are made, listed, moved and removed', async () => {
  const made = await platform.call('POST', `${sandbox}/files/mkdir`, { path: '/home/user/tree/leaf', mode: '0750' })
  assert.equal(made.status, 201)
  assert.deepEqual(
    [
      (await made.json()).mode,
      (await platform.call('POST', `${sandbox}/files/mkdir`, { path: '/home/user/tree' })).status,
    ],
    ['0750', 201],
  )
  await platform.json('PUT', files({ path: '/home/user/tree/leaf/file' }), 'x')
  await execute('ln -s leaf /home/user/tree/link')
  const list = async (query: Record<string, string>) => {
    const { entries } = await platform.json('GET', files(query, '/list'))
    return entries.map(({ path, type }: Answer) => `${type} ${path}`).sort()
  }
  assert.deepEqual(await list({ path: '/home/user/tree' }), [
    'directory /home/user/tree/leaf',
    'symlink /home/user/tree/link',
  ])
  assert.ok((await list({ path: '/home/user/tree', depth: '0' })).includes('file /home/user/tree/leaf/file'))

  const moved = await platform.json('POST', `${sandbox}/files/move`, {
    from: '/home/user/tree/leaf/file',
    to: '/home/user/tree/moved',
  })
  assert.equal(moved.path, '/home/user/tree/moved')
  assert.equal(
    (await platform.json('POST', `${sandbox}/files/chmod`, { path: '/home/user/tree/moved', mode: '0400' })).mode,
    '0400',
  )

  assert.deepEqual((await refusal(platform.call('DELETE', files({ path: '/home/user/tree' })))).slice(0, 2), [
    409,
    'conflict',
  ])
  assert.equal((await platform.call('DELETE', files({ path: '/home/user/tree', recursive: 'true' }))).status, 204)
  assert.equal((await platform.call('GET', files({ path: '/home/user/tree' }, '/stat'))).status, 404)
})

test('ten thousand files in one folder are listed, and removed with it', async () => {
  const many = '/home/user/many'
  await execute(`mkdir ${many} && cd ${many} && seq 10000 | xargs touch`)
  const { entries } = await platform.json('GET', files({ path: many }, '/list'))
  assert.equal(new Set(entries.map(({ name }: Answer) => name)).size, 10_000)
  assert.equal((await platform.call('DELETE', files({ path: many, recursive: 'true' }))).status, 204)
  assert.equal((await execute('ls -A')).stdout.includes('many'), false)
})

test('what may not be or is not there is refused with the path', async () => {
  const missing = await refusal(platform.call('GET', files({ path: '/no/such/file' })))
  assert.deepEqual(missing.slice(0, 2), [404, 'not_found'])
  assert.match(missing[2], /\/no\/such\/file/)
  assert.deepEqual((await refusal(platform.call('GET', files({ path: '/home' })))).slice(0, 2), [
    400,
    'invalid_request',
  ])
  assert.deepEqual((await refusal(platform.call('PUT', files({ path: '/etc/hosts2' }), 'x'))).slice(0, 2), [
    403,
    'forbidden',
  ])
  assert.equal((await refusal(platform.call('GET', `${sandbox}/files`)))[0], 400)
  assert.equal((await refusal(platform.call('GET', files({ path: '/a\0b' }))))[0], 400)
  assert.equal((await refusal(platform.call('PUT', files({ path: '/tmp/x', mode: '999' }), 'x')))[0], 400)
})

test('an upload that is refused before its data is read says why', async () => {
  for (let i = 0; i < 5; i++) {
    const [status, code] = await refusal(
      platform.call('PUT', files({ path: '/tmp/x', user: 'nobody-here' }), 'x'.repeat(300_000)),
    )
    assert.deepEqual([status, code], [404, 'not_found'])
  }
})

test('root may write where the user may not, and give files away', { skip: lacks.root }, async () => {
  assert.equal((await platform.call('PUT', files({ path: '/etc/hosts2', user: 'root' }), 'x')).status, 200)
  await platform.json('PUT', files({ path: '/home/user/given' }), 'x')
  const owned = await platform.json('POST', `${sandbox}/files/chown`, { path: '/home/user/given', owner: 'root' })
  assert.equal(owned.owner, 'root')
})

test('a path cannot lead out of the sandbox, nor a pipe or a device hang it', async () => {
  await platform.json('PUT', files({ path: '../../../../../../tmp/outside' }), 'x')
  assert.equal((await execute('cat /tmp/outside')).stdout, 'x')
  await execute(`ln -s ${platform.home}/admin.key /tmp/key; mkfifo /tmp/pipe`)
  assert.equal((await platform.call('GET', files({ path: '/tmp/key' }))).status, 404)
  for (const user of lacks.root ? ['user'] : ['user', 'root'])
    assert.equal((await platform.call('GET', files({ path: `${platform.home}/admin.key`, user }))).status, 404)
  assert.equal((await platform.call('GET', files({ path: '/tmp/pipe' }))).status, 400)
})

test('an upload that does not fit is refused, and the disk is usable afterwards', async () => {
  const small = await platform.sandbox({ limits: { diskMb: 32 } })
  const { runtime } = await platform.json('GET', small)
  if (runtime.disk === 'none') return
  let left = 64
  const source = new ReadableStream({ pull: (to) => (left-- > 0 ? to.enqueue(Buffer.alloc(1 << 20)) : to.close()) })
  const response = await platform.call('PUT', `${small}/files?path=/home/user/large`, source)
  assert.deepEqual([response.status, (await response.json()).code], [429, 'limit_exceeded'])
  assert.equal((await platform.call('PUT', `${small}/files?path=/home/user/small`, 'fits')).status, 200)
  await platform.call('DELETE', small)
})

test('a folder is watched, with what is made below it later', async () => {
  await execute('mkdir -p /home/user/watched')
  const controller = new AbortController()
  const response = await platform.call(
    'GET',
    files({ path: '/home/user/watched', recursive: 'true' }, '/watch'),
    undefined,
    {
      signal: controller.signal,
    },
  )
  const seen: string[] = []
  const reading = (async () => {
    for await (const { event, data } of eventsOf(response))
      seen.push(event === 'ready' ? event : `${data.type} ${data.path}`)
  })().catch(() => {})
  await until('it is ready', () => seen[0] === 'ready')
  await execute(
    'cd /home/user/watched; mkdir sub; sleep 0.1; echo x > sub/file; mv sub/file sub/renamed; rm sub/renamed',
  )
  await until(
    'everything was told',
    () =>
      seen.includes('create sub') && seen.some((text) => /sub\/file/.test(text)) && seen.includes('remove sub/renamed'),
  )
  controller.abort()
  await reading
  assert.deepEqual((await refusal(platform.call('GET', files({ path: '/none' }, '/watch')))).slice(0, 2), [
    404,
    'not_found',
  ])
})

function residentMb(): number {
  const status = readFileSync(`/proc/${platform.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) / 1024
}

test('a file dated beyond all years can be listed', async () => {
  await execute('touch -d @99999999999999 /dev/shm/late')
  assert.equal((await platform.call('GET', files({ path: '/dev/shm' }, '/list'))).status, 200)
  assert.equal((await platform.call('GET', files({ path: '/dev/shm/late' }, '/stat'))).status, 200)
})
