import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import { build } from 'esbuild'
import { all } from '../grpc-clients.ts'
import { type Answer, type Platform, until } from '../platform.ts'

/** The reference implementation of gRPC, as a program inside a sandbox. What it was sent it says in the metadata of its answers. */
const program = `
const grpc = require('@grpc/grpc-js')
const fs = require('node:fs')
const same = (bytes) => bytes
const raw = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
const method = (name, requestStream = false, responseStream = false) => ({ path: '/test.Test/' + name, requestStream, responseStream, ...raw })
const server = new grpc.Server()
const told = (call) => {
  const meta = new grpc.Metadata()
  const seen = call.metadata.toHttp2Headers()
  meta.set('x-seen', Object.keys(seen).sort().join(' '))
  meta.set('x-authority', call.getHost())
  for (const one of call.metadata.get('given-bin')) meta.add('given-bin', one)
  return meta
}
server.addService(
  { Echo: method('Echo'), Refuse: method('Refuse'), Count: method('Count', false, true), Sum: method('Sum', true), Chat: method('Chat', true, true), Wait: method('Wait', false, true), Crash: method('Crash', false, true) },
  {
    Echo: (call, done) => {
      const trailers = new grpc.Metadata()
      trailers.set('at-the-end', 'yes')
      call.sendMetadata(told(call))
      done(null, call.request, trailers)
    },
    Refuse: (call, done) => {
      const metadata = new grpc.Metadata()
      metadata.set('why', 'because')
      done({ code: grpc.status.FAILED_PRECONDITION, details: 'no: \\u00e9\\u4e2d %', metadata })
    },
    Count: (call) => {
      const part = Buffer.alloc(100_000, 'ab')
      for (let at = 0; at < 50; at++) call.write(part)
      call.end()
    },
    Sum: (call, done) => {
      let bytes = 0
      call.on('data', (part) => (bytes += part.length))
      call.on('end', () => done(null, Buffer.from(String(bytes))))
    },
    Chat: (call) => {
      call.on('data', (part) => {
        if (part.toString() === 'enough') return call.end()
        call.write(Buffer.from('heard ' + part))
      })
      call.on('end', () => call.end())
    },
    Wait: (call) => {
      fs.writeFileSync('/tmp/waits', '')
      call.write(Buffer.from('waits'))
      call.on('cancelled', () => fs.writeFileSync('/tmp/cancelled', ''))
    },
    Crash: (call) => {
      call.write(Buffer.from('first'))
      setTimeout(() => process.exit(1), 200)
    },
  },
)
server.bindAsync('127.0.0.1:9090', grpc.ServerCredentials.createInsecure(), () => {})
if (fs.existsSync('/tmp/pair.pem')) {
  const pair = fs.readFileSync('/tmp/pair.pem')
  const credentials = grpc.ServerCredentials.createSsl(null, [{ cert_chain: pair, private_key: pair }])
  server.bindAsync('127.0.0.1:9443', credentials, () => {})
}
`

const same = (bytes: Buffer) => bytes

/** What a sandbox is like whose ports speak gRPC, wherever it is; `inTls`: so does its port 9443, in TLS. */
export async function checkGrpcPort(platform: Platform, path: string, inTls = false): Promise<void> {
  const id = path.split('/').at(-1)!
  const bundled = await build({
    stdin: { contents: program, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    ...{ bundle: true, platform: 'node', write: false, logLevel: 'silent' },
  })
  const code = Buffer.from(bundled.outputFiles![0]!.contents)
  assert.equal((await platform.call('PUT', `${path}/files?path=/tmp/server.cjs`, code)).status, 200)
  const serve = () => platform.json('POST', `${path}/processes`, { command: ['node', '/tmp/server.cjs'] })
  const listens = async (port: number) =>
    (await platform.json('GET', `${path}/ports`)).ports.some((one: Answer) => one.port === port)
  const isThere = async (file: string) =>
    (await platform.json('POST', `${path}/execute`, { command: `test -e ${file}; echo $?` })).stdout === '0\n'
  await serve()
  await until('it listens', () => listens(9090))

  const target = `127.0.0.1:${platform.port}`
  const byHost = { 'grpc.default_authority': `9090-${id}.localhost:${platform.port}` }
  const client = new grpc.Client(target, grpc.credentials.createInsecure(), byHost)
  const shared = new grpc.Client(target, grpc.credentials.createInsecure())
  const metaOf = (given: Record<string, string | Buffer> = {}) => {
    const meta = new grpc.Metadata()
    for (const [name, value] of Object.entries({ 'x-api-key': platform.key, ...given })) meta.add(name, value)
    return meta
  }
  const inHeaders = (port = 9090) => metaOf({ 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(port) })
  const ask = (by: grpc.Client, name: string, message: Buffer, meta = metaOf()) =>
    new Promise<{ answer: Buffer; first: grpc.Metadata; last: grpc.Metadata }>((resolve, reject) => {
      let first = new grpc.Metadata()
      let last = first
      const call = by.makeUnaryRequest(`/test.Test/${name}`, same, same, message, meta, (error, answer) =>
        error ? reject(error) : setImmediate(() => resolve({ answer: answer!, first, last })),
      )
      call.on('metadata', (given) => (first = given))
      call.on('status', ({ metadata }) => (last = metadata))
    })

  // By host name and by E2B's headers, with what belongs to the call at its begin and its end, and without what is ours.
  const bytes = Buffer.from([0, 255, 7, 128])
  for (const [by, meta] of [
    [client, metaOf()],
    [shared, inHeaders()],
  ] as const) {
    meta.add('given-bin', bytes)
    meta.add('given-bin', Buffer.from('second'))
    const { answer, first, last } = await ask(by, 'Echo', Buffer.from('over there'), meta)
    assert.equal(answer.toString(), 'over there')
    assert.deepEqual(first.get('given-bin').map(String), [bytes, Buffer.from('second')].map(String))
    assert.deepEqual(last.get('at-the-end'), ['yes'])
    assert.doesNotMatch(String(first.get('x-seen')), /x-api-key|warren-node|transfer-encoding/)
    assert.match(String(first.get('x-seen')), /x-forwarded-for/)
  }

  if (inTls) {
    await until('it listens in TLS', () => listens(9443))
    assert.equal((await ask(shared, 'Echo', bytes, inHeaders(9443))).answer.toString('hex'), bytes.toString('hex'))
  }

  // Streams in each direction and both at once.
  const counted = await all(client.makeServerStreamRequest('/test.Test/Count', same, same, Buffer.alloc(0), metaOf()))
  assert.deepEqual([counted.length, Buffer.concat(counted).length], [50, 5_000_000])
  const sum = await new Promise<Buffer>((resolve, reject) => {
    const done = (error: unknown, answer?: Buffer) => (error ? reject(error) : resolve(answer!))
    const call = client.makeClientStreamRequest('/test.Test/Sum', same, same, metaOf(), done)
    for (let at = 0; at < 50; at++) call.write(Buffer.alloc(100_000))
    call.end()
  })
  assert.equal(sum.toString(), '5000000')
  for (const last of ['end', 'enough'] as const) {
    const chat = client.makeBidiStreamRequest('/test.Test/Chat', same, same, metaOf())
    for (const word of ['one', 'two', 'three']) {
      const heard = new Promise<Buffer>((resolve) => chat.once('data', resolve))
      chat.write(Buffer.from(word))
      assert.equal((await heard).toString(), `heard ${word}`, 'each is answered while more is to come')
    }
    const over = new Promise<grpc.StatusObject>((resolve) => chat.once('status', resolve))
    chat.on('data', () => {})
    if (last === 'end') chat.end()
    else chat.write(Buffer.from(last)) // the program ends first
    assert.equal((await over).code, grpc.status.OK)
  }

  // Calls that share a connection do not wait for one another.
  const many = await Promise.all(Array.from({ length: 30 }, (_, at) => ask(client, 'Echo', Buffer.from(String(at)))))
  assert.deepEqual(
    many.map(({ answer }) => Number(answer.toString())),
    [...many.keys()],
  )

  // How it ends, in the program's words and in ours.
  const failed = (by: grpc.Client, name: string, meta?: grpc.Metadata): Promise<grpc.ServiceError> =>
    ask(by, name, Buffer.alloc(0), meta).then(
      () => assert.fail('it was answered'),
      (error) => error,
    )
  const refused = await failed(client, 'Refuse')
  assert.deepEqual([refused.code, refused.details], [grpc.status.FAILED_PRECONDITION, 'no: é中 %'])
  assert.deepEqual(refused.metadata.get('why'), ['because'])
  assert.equal((await failed(client, 'None')).code, grpc.status.UNIMPLEMENTED)
  const closed = await failed(shared, 'Echo', inHeaders(9091))
  assert.equal(closed.code, grpc.status.UNAVAILABLE, closed.details)
  const nobody = await failed(client, 'Echo', new grpc.Metadata())
  assert.ok([grpc.status.UNAUTHENTICATED, grpc.status.PERMISSION_DENIED].includes(nobody.code), nobody.message)
  const guessed = await failed(client, 'Echo', metaOf({ 'x-api-key': `e2b_${'0'.repeat(40)}` }))
  assert.notEqual(guessed.code, grpc.status.OK)

  // Who gives a call up, or lets it be late, ends it at the program too.
  const waiting = client.makeServerStreamRequest('/test.Test/Wait', same, same, Buffer.alloc(0), metaOf())
  waiting.on('error', () => {})
  await new Promise((resolve) => waiting.once('data', resolve))
  assert.equal(await isThere('/tmp/cancelled'), false)
  waiting.cancel()
  await until('the program hears of it', () => isThere('/tmp/cancelled'))
  const late = all(
    client.makeServerStreamRequest('/test.Test/Wait', same, same, Buffer.alloc(0), metaOf(), {
      deadline: Date.now() + 500,
    }),
  )
  await assert.rejects(late, { code: grpc.status.DEADLINE_EXCEEDED })

  // What breaks off is no end in order; what speaks something else is not waited for.
  const broken = client.makeServerStreamRequest('/test.Test/Crash', same, same, Buffer.alloc(0), metaOf())
  const heard: Buffer[] = []
  const error = await new Promise<Answer>((resolve) => {
    broken.on('data', (data: Buffer) => heard.push(data))
    broken.on('error', resolve)
  })
  assert.notEqual(error.code, grpc.status.OK)
  assert.equal(Buffer.concat(heard).toString(), 'first')
  await platform.json('POST', `${path}/processes`, { command: 'python3 -m http.server --bind 127.0.0.1 9092' })
  await until('it listens', () => listens(9092))
  const other = await failed(shared, 'Echo', inHeaders(9092))
  assert.equal(other.code, grpc.status.UNAVAILABLE, other.details)
  await serve()
  await until('it listens again', () => listens(9090))
  assert.equal((await ask(client, 'Echo', Buffer.from('again'))).answer.toString(), 'again')
  client.close()
  shared.close()
}
