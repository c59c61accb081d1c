import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { all, asked } from '../grpc-clients.ts'
import { type Answer, startPlatform, until } from '../platform.ts'

/** What the inside of a sandbox answers to the reference implementation of gRPC, which has seen nothing but our description. */
const platform = await startPlatform()
const made = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
const files = clientOf('filesystem', 'Filesystem')
const processes = clientOf('process', 'Process')

function clientOf(name: string, service: string): Answer {
  const file = fileURLToPath(new URL(`../../../spec/e2b/${name}.proto`, import.meta.url))
  const loaded = loadSync(file, { longs: Number, enums: String, oneofs: true, arrays: true })
  const Service = (grpc.loadPackageDefinition(loaded) as Answer)[name][service]
  const client = new Service(`127.0.0.1:${platform.port}`, grpc.credentials.createInsecure())
  after(() => client.close())
  return client
}

function meta(changes: Record<string, string> = {}): grpc.Metadata {
  const metadata = new grpc.Metadata()
  const all = {
    'e2b-sandbox-id': made.sandboxID,
    'e2b-sandbox-port': '49983',
    'x-access-token': made.envdAccessToken,
    ...changes,
  }
  for (const [name, value] of Object.entries(all)) if (value) metadata.set(name, value)
  return metadata
}

const shell = (command: string, more: object = {}) => ({
  process: { cmd: '/bin/bash', args: ['-c', command], envs: { GIVEN: 'é' } },
  stdin: false,
  ...more,
})
const textOf = (events: Answer[], stream: string) =>
  Buffer.concat(events.flatMap(({ event }) => event.data?.[stream] ?? [])).toString()

test('a process runs, is listed, gets input as a stream, and ends as it says', async () => {
  const events = await all(processes.Start(shell('echo "$GIVEN"; echo w >&2; exit 3'), meta()))
  assert.ok(events[0].event.start.pid > 0)
  assert.deepEqual([textOf(events, 'stdout'), textOf(events, 'stderr')], ['é\n', 'w\n'])
  assert.deepEqual(events.at(-1).event.end, {
    exitCode: 3,
    exited: true,
    status: 'exit status 3',
    error: 'exit status 3',
    _error: 'error',
  })

  const cat = processes.Start(shell('exec cat', { stdin: true, tag: 'kitten' }), meta())
  const read = all(cat)
  const running = await until('it is listed', async () => {
    const { processes: listed } = await asked(processes, 'List', {}, meta())
    return listed.find(({ tag }: Answer) => tag === 'kitten')
  })
  assert.deepEqual([running.config.cmd, running.config.envs], ['/bin/bash', { GIVEN: 'é' }])
  await new Promise<void>((resolve, reject) => {
    const input = processes.StreamInput(meta(), (error: unknown) => (error ? reject(error) : resolve()))
    input.write({ start: { process: { tag: 'kitten' } } })
    for (const part of ['one ', 'two']) input.write({ data: { input: { stdin: Buffer.from(part) } } })
    input.end()
  })
  await asked(processes, 'CloseStdin', { process: { pid: running.pid } }, meta())
  assert.equal(textOf(await read, 'stdout'), 'one two')
})

test('the deadline of a start is how long its process may live; who goes away does not end it', async () => {
  const late = all(processes.Start(shell('exec sleep 981'), meta(), { deadline: Date.now() + 900 }))
  await assert.rejects(late, { code: grpc.status.DEADLINE_EXCEEDED })
  const listed = async () => (await asked(processes, 'List', {}, meta())).processes
  await until('it is gone', async () => (await listed()).length === 0)

  const left = processes.Start(shell('exec sleep 982', { tag: 'left' }), meta())
  left.on('error', () => {})
  await new Promise((resolve) => left.once('data', resolve))
  left.cancel()
  const again = processes.Connect({ process: { tag: 'left' } }, meta())
  const rest = all(again)
  await asked(processes, 'SendSignal', { process: { tag: 'left' }, signal: 'SIGNAL_SIGKILL' }, meta())
  const { end } = (await rest).at(-1).event
  assert.deepEqual([end.exited ?? false, end.status], [false, 'signal: killed'])
})

test('files are made, moved, listed and watched', async () => {
  const { entry } = await asked(files, 'MakeDir', { path: 'grpc/inner' }, meta())
  assert.deepEqual([entry.path, entry.type, entry.owner], ['/home/user/grpc/inner', 'FILE_TYPE_DIRECTORY', 'user'])
  assert.ok(Math.abs(Date.now() / 1000 - entry.modifiedTime.seconds) < 3600)
  const watch = files.WatchDir({ path: 'grpc', recursive: true }, meta())
  watch.on('error', () => {})
  const seen: Answer[] = []
  watch.on('data', (event: Answer) => seen.push(event))
  await until('it watches', () => seen.length > 0)
  await asked(files, 'Move', { source: 'grpc/inner', destination: 'grpc/moved' }, meta())
  await until('the move is told', () => seen.some(({ filesystem }) => filesystem?.name === 'moved'))
  watch.cancel()
  const { entries } = await asked(files, 'ListDir', { path: 'grpc', depth: 1 }, meta())
  assert.deepEqual(
    entries.map(({ name }: Answer) => name),
    ['moved'],
  )
})

test('what goes wrong has the code of gRPC', async () => {
  const { status } = grpc
  const missing = asked(files, 'Stat', { path: '/nowhere' }, meta())
  await assert.rejects(missing, { code: status.NOT_FOUND, details: "path '/nowhere' does not exist" })
  await asked(files, 'MakeDir', { path: 'twice' }, meta())
  await assert.rejects(asked(files, 'MakeDir', { path: 'twice' }, meta()), { code: status.ALREADY_EXISTS })
  const nobody = `Basic ${Buffer.from('nobody-here:').toString('base64')}`
  await assert.rejects(asked(files, 'Stat', { path: '/' }, meta({ authorization: nobody })), {
    code: status.UNAUTHENTICATED,
    details: "invalid username: 'nobody-here'",
  })
  for (const token of ['', 'wrong'])
    await assert.rejects(asked(files, 'Stat', { path: '/' }, meta({ 'x-access-token': token })), {
      code: status.UNAUTHENTICATED,
    })
  await assert.rejects(asked(files, 'Stat', { path: '/' }, meta({ 'e2b-sandbox-id': 'none' })), {
    code: status.UNAVAILABLE,
  })
})

test('a sandbox that is killed breaks off what is open to it', async () => {
  const { sandboxID, envdAccessToken } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
  const other = meta({ 'e2b-sandbox-id': sandboxID, 'x-access-token': envdAccessToken })
  const call = processes.Start(shell('exec sleep 983'), other)
  const started = new Promise((resolve) => call.once('data', resolve))
  const broken = new Promise<Answer>((resolve) => call.once('error', resolve))
  const ended = new Promise((resolve) => call.once('end', () => resolve('in good order')))
  await started
  await platform.call('DELETE', `/sandboxes/${sandboxID}`)
  const error = await Promise.race([broken, ended])
  assert.notEqual(error, 'in good order')
  assert.notEqual((error as Answer).code, grpc.status.OK)
})
