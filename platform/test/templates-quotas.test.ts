import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, lacksOf, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
const lacks = await lacksOf(platform)

const set = (quotas: object) => platform.json('PUT', '/v1/quotas', { quotas })
const used = async (name: string): Promise<number> =>
  (await platform.json('GET', '/v1/quotas')).quotas.find((quota: Answer) => quota.name === name).used
const begin = async (name: string, command: string): Promise<() => Promise<Answer>> => {
  const steps = [{ type: 'RUN', args: [command, 'root'] }]
  const { template, id } = await platform.json('POST', '/v1/templates', { name, steps })
  return () => platform.json('GET', `/v1/templates/${template}/builds/${id}?limit=1000`)
}
const ended = (look: () => Promise<Answer>) =>
  until(
    'the build has ended',
    async () => {
      const found = await look()
      return ['ready', 'error'].includes(found.state) && found
    },
    90_000,
  )
const said = ({ log }: Answer): string => log.map(({ message }: Answer) => message).join('\n')

test('builds of an organisation wait for each other where it may have one at once', { skip: lacks.root }, async () => {
  await set({ builds: 1 })
  // The first goes on until the second is seen to wait.
  const first = await begin('first', 'while sleep 0.2; do :; done')
  await until('it is worked on', async () => (await used('builds')) === 1)
  assert.deepEqual([await used('cpuCores'), await used('sandboxes')], [1, 0])
  assert.ok((await used('memoryMb')) >= 1024)
  const second = await begin('second', 'echo >/opt/second')
  await until('it waits', async () => said(await second()).includes('Waiting: the quota is 1 builds'), 20_000)
  assert.equal(await used('builds'), 1)
  await platform.call('DELETE', '/v1/templates/first')
  const made = await ended(second)
  assert.equal(made.state, 'ready', said(made))
  await until('nothing is held', async () => (await used('cpuCores')) === 0)
  assert.equal((await first().catch(() => ({ state: 'gone' }))).state, 'gone')
  await set({ builds: null })
})

test('what a build has counts with sandboxes, and one that could never be made fails', {
  skip: lacks.root,
}, async () => {
  await set({ memoryMb: 1100 })
  const path = await platform.sandbox({ limits: { cpuCores: 0.5, memoryMb: 128, diskMb: 64 } })
  const look = await begin('beside', 'echo >/opt/beside')
  await until('it waits', async () => said(await look()).includes('Waiting: the quota is 1100 MiB'), 20_000)
  await platform.call('DELETE', path)
  const made = await ended(look)
  assert.equal(made.state, 'ready', said(made))

  await set({ memoryMb: 512 })
  const failed = await ended(await begin('never', 'true'))
  assert.equal(failed.state, 'error')
  assert.match(said(failed), /the quota is 512 MiB of memory at once/)
  await set({ memoryMb: null })
})

test('a build that waits is begun again after kill -9, and holds nothing twice', { skip: lacks.root }, async () => {
  await set({ builds: 1 })
  await begin('running', 'while sleep 0.2; do :; done')
  await until('it is worked on', async () => (await used('builds')) === 1)
  const waiting = await begin('waiting', 'echo >/opt/waiting')
  await until('it waits', async () => said(await waiting()).includes('Waiting'), 20_000)
  await platform.kill('SIGKILL')
  await platform.start()
  await until('one is worked on', async () => (await used('builds')) === 1)
  await platform.call('DELETE', '/v1/templates/running')
  const made = await ended(waiting)
  assert.equal(made.state, 'ready', said(made))
  await until('nothing is held', async () => (await used('builds')) === 0)
  await set({ builds: null })
})
