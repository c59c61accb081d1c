import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { startNetworked } from './network/networked.ts'
import { type Answer, lacksOf, startPlatform, until } from './platform.ts'

const noInternet = await fakeInternetLacks()
const internet = noInternet ? undefined : await openFakeInternet()
const settings = { WARREN_POOL_SIZE: '0' }
const platform = internet ? await startNetworked(internet, settings) : await startPlatform(settings)
after(() => internet?.close())
const skip = noInternet ?? (await lacksOf(platform)).root

const set = (quotas: object) => platform.json('PUT', '/v1/quotas', { quotas })
const used = async (name: string): Promise<number> =>
  (await platform.json('GET', '/v1/quotas')).quotas.find((quota: Answer) => quota.name === name).used

/** Sends so many MiB to where they are sent back, and reads all of it. */
const send = (mb: number) =>
  `python3 -c "import socket; s=socket.create_connection(('${addresses.listed}', 8443), 5); s.settimeout(None); [(s.sendall(bytes(65536)), s.recv(65536, socket.MSG_WAITALL)) for _ in range(${mb * 16})]"`

async function begin(name: string, ...commands: string[]): Promise<{ template: string; look: () => Promise<Answer> }> {
  const steps = commands.map((command) => ({ type: 'RUN', args: [command, 'root'] }))
  const { template, id } = await platform.json('POST', '/v1/templates', { name, steps })
  return { template, look: () => platform.json('GET', `/v1/templates/${template}/builds/${id}?limit=1000`) }
}

function ended(look: () => Promise<Answer>): Promise<Answer> {
  const end = async () => {
    const found = await look()
    return ['ready', 'error'].includes(found.state) && found
  }
  return until('the build has ended', end, 90_000)
}
/** The words alone: the command is in the log too. */
const hasSent = ({ log }: Answer): boolean => log.some(({ message }: Answer) => message === 'sent')
const said = ({ log }: Answer): string => log.map(({ message }: Answer) => message).join('\n')

/** What is recorded as sent for a template, once it is so much; facts are written within ten seconds of an end. */
function factOf(template: string, leastBytes: number): Promise<Answer> {
  return until(
    'there are facts',
    async () => {
      const { groups } = await platform.json('GET', '/v1/usage?group=subject')
      const found = groups.find(({ key }: Answer) => key === template)
      return found?.networkOutBytes >= leastBytes && found
    },
    40_000,
  )
}

test('what a build sends is metered under its template, each step of it, and counts towards the day', {
  skip,
}, async () => {
  const before = await used('egressMbPerDay')
  const { template, look } = await begin('sends', `${send(1)}; echo 1 >/opt/1`, send(1))
  const made = await ended(look)
  assert.equal(made.state, 'ready', said(made))
  assert.ok((await used('egressMbPerDay')) - before > 1.99)
  const fact = await factOf(template, 1.99 * 2 ** 20)
  assert.ok(fact.networkOutBytes < 2.5 * 2 ** 20 && fact.networkInBytes > 1.99 * 2 ** 20, JSON.stringify(fact))
  assert.deepEqual([fact.cpuMs, fact.memoryMbMs, fact.diskMbMs], [0, 0, 0])
})

test('a build that fails, and one that is deleted while it sends, is metered too', { skip }, async () => {
  const failing = await begin('fails', `${send(1)}; false`)
  assert.equal((await ended(failing.look)).state, 'error')
  await factOf(failing.template, 0.99 * 2 ** 20)
  const deleted = await begin('deleted', `${send(1)}; echo sent; sleep 600`)
  await until('it has sent', async () => hasSent(await deleted.look()), 30_000)
  await platform.call('DELETE', '/v1/templates/deleted')
  await factOf(deleted.template, 0.99 * 2 ** 20)
})

test('what a killed platform was building is metered as far as it was seen', { skip }, async () => {
  const before = await used('egressMbPerDay')
  const { template, look } = await begin('killed', `${send(1)}; echo sent; sleep 600`)
  await until('it has sent', async () => hasSent(await look()), 30_000)
  await until('it was looked at', async () => (await used('egressMbPerDay')) - before > 0.99, 20_000)
  await platform.kill('SIGKILL')
  await platform.start()
  await factOf(template, 0.99 * 2 ** 20)
  await platform.call('DELETE', '/v1/templates/killed')
})

test('when the day is used up a build reaches nothing and its log says why, also one that runs', { skip }, async () => {
  const running = await begin('running', `until ! ${send(0)} 2>/dev/null; do sleep 0.2; done; echo shut`)
  await until('it is worked on', async () => (await used('builds')) === 1)
  await set({ egressMbPerDay: (await used('egressMbPerDay')) / 2 })
  const cut = await ended(running.look)
  assert.match(said(cut), /The network is shut: .*egressMbPerDay/)
  assert.match(said(cut), /\nshut/)
  const late = await ended((await begin('late', send(0))).look)
  assert.equal(late.state, 'error')
  assert.match(said(late), /The network is shut: .*egressMbPerDay/)
  await set({ egressMbPerDay: null })
  const again = await ended((await begin('late', send(0))).look)
  assert.equal(again.state, 'ready', said(again))
})
