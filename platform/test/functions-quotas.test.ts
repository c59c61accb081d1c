import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { startNetworked } from './network/networked.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const lacks = await fakeInternetLacks()
const internet = lacks ? undefined : await openFakeInternet()
const settings = {
  WARREN_POOL_SIZE: '0',
  WARREN_FUNCTION_POOL: '0',
  WARREN_FUNCTION_FORECASTS: 'no',
}
const platform = internet ? await startNetworked(internet, settings) : await startPlatform(settings)
after(() => internet?.close())

const slow = 'exports.handler = (event) => new Promise((done) => setTimeout(done, event.ms ?? 0, event.ms ?? 0))'
const deploy = (name: string, source = slow, settings: object = {}): Promise<Answer> =>
  platform.json('PUT', `/v1/functions/${name}`, {
    ...{ runtime: 'node24', files: { 'index.js': Buffer.from(source).toString('base64') } },
    settings: { memoryMb: 128, ...settings },
  })
const invoke = (name: string, event: object = {}) => platform.call('POST', `/v1/functions/${name}/invoke`, event)
const small = { limits: { cpuCores: 0.5, memoryMb: 64, diskMb: 64 } }
const create = () => platform.call('POST', '/v1/sandboxes', small)
const set = (quotas: object) => platform.json('PUT', '/v1/quotas', { quotas })
const used = async (name: string): Promise<number> =>
  (await platform.json('GET', '/v1/quotas')).quotas.find((quota: Answer) => quota.name === name).used

async function refused(answer: Response, quota: string): Promise<void> {
  const body = (await answer.json()) as Answer
  assert.deepEqual([answer.status, body.code, body.details?.quota], [429, 'limit_exceeded', quota], body.message)
}
const unused = () => until('nothing is used', async () => (await used('cpuCores')) === 0, 20_000)

test('an instance counts while it is there; nothing is taken from one that works, and one that is idle makes way', async () => {
  await deploy('first')
  await deploy('second')
  await unused()
  await set({ cpuCores: 1 })
  const busy = invoke('first', { ms: 4000 })
  await until('it works', async () => (await used('cpuCores')) === 1)
  assert.equal(await used('memoryMb'), 128)
  assert.equal(await used('sandboxes'), 0)
  await refused(await create(), 'cpuCores')
  await refused(await invoke('second'), 'cpuCores')
  const { id } = await platform.json('POST', '/v1/functions/second/invocations', { ms: 1 })
  const queued = () => platform.json('GET', `/v1/functions/second/invocations/${id}`)
  assert.notEqual((await queued()).state, 'failed')
  assert.equal(await (await busy).json(), 4000)
  const made = await until('the queued call is made', async () => {
    const call = await queued()
    return call.state === 'succeeded' && call
  })
  assert.deepEqual([made.result, made.attempt], [1, 1])
  assert.equal(await used('cpuCores'), 1, 'the instance of the other has made way')
  // What is idle goes for a sandbox, and comes back when that is gone.
  const created = await create()
  assert.equal(created.status, 201)
  assert.equal(await used('cpuCores'), 0.5)
  await refused(await invoke('first'), 'cpuCores')
  await platform.call('DELETE', `/v1/sandboxes/${(await created.json()).id}`)
  await until('it is called again', async () => (await invoke('first')).status === 200)
  await set({ cpuCores: null })
})

test('calls wait for the instances that are there where another is not to be had', async () => {
  await deploy('narrow')
  await set({ memoryMb: (await used('memoryMb')) + 128 })
  await (await invoke('narrow')).json()
  const answers = await Promise.all(Array.from({ length: 6 }, () => invoke('narrow', { ms: 50 })))
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array(6).fill(200),
  )
  await set({ memoryMb: null })
})

test('nothing of it outlives kill -9', async () => {
  await (await invoke('first')).json()
  assert.ok((await used('cpuCores')) > 0)
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal(await used('cpuCores'), 0)
})

const sending = `const net = require('node:net')
exports.handler = ({ mb }) => new Promise((done) => {
  const socket = net.connect(8443, '${addresses.listed}')
  let sent = 0
  const send = () => { if (sent++ < mb * 64) socket.write(Buffer.alloc(16384), send); else socket.end() }
  socket.on('connect', send).on('data', () => {}).on('error', (error) => done(error.code)).on('close', () => done('sent'))
  socket.setTimeout(3000, () => { done('refused'); socket.destroy() })
})`

test('what a function sends is metered, counts towards the day, and is refused when that is used up', {
  skip: lacks ?? false,
}, async () => {
  await deploy('sender', sending, { internet: true })
  const before = await used('egressMbPerDay')
  assert.equal(await (await invoke('sender', { mb: 2 })).json(), 'sent')
  await platform.call('DELETE', '/v1/functions/sender')
  await until('it counts', async () => (await used('egressMbPerDay')) - before > 1.9, 20_000)
  const facts = await until(
    'there is a fact',
    async () => {
      const { groups } = await platform.json('GET', '/v1/usage?group=kind')
      return groups.find(({ key }: Answer) => key === 'egress')
    },
    30_000,
  )
  assert.ok(facts.networkOutBytes > 1.9 * 2 ** 20, JSON.stringify(facts))
  assert.deepEqual([facts.cpuMs, facts.memoryMbMs, facts.diskMbMs], [0, 0, 0])

  await deploy('sender', sending, { internet: true })
  assert.equal(await (await invoke('sender', { mb: 0 })).json(), 'sent')
  await set({ egressMbPerDay: (await used('egressMbPerDay')) / 2 })
  await until('it is shut', async () => (await (await invoke('sender', { mb: 0 })).json()) !== 'sent', 40_000)
  await set({ egressMbPerDay: null })
  await until('it is open again', async () => (await (await invoke('sender', { mb: 0 })).json()) === 'sent', 40_000)
})
