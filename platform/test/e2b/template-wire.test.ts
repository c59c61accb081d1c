import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Answer, lacksOf, startPlatform, until } from '../platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)

describe('templates at the door of E2B', { skip: lacks.root }, () => {
  test('a Dockerfile of the first generation is kept with its request, and built with the next', async () => {
    const wish = {
      alias: 'first-generation',
      dockerfile: 'FROM base\nENV COLOUR=blue\nRUN echo $COLOUR > /home/user/colour',
      startCmd: 'touch /tmp/started',
      readyCmd: 'test -e /tmp/started',
      cpuCount: 1,
      memoryMB: 512,
    }
    const asked = await platform.call('POST', '/templates', wish)
    assert.equal(asked.status, 202)
    const { templateID, buildID, ...shown } = await asked.json()
    const names = ['aliases', 'buildCount', 'cpuCount', 'createdAt', 'createdBy', 'diskSizeMB', 'envdVersion']
    for (const name of [...names, 'lastSpawnedAt', 'memoryMB', 'public', 'spawnCount', 'updatedAt'])
      assert.ok(name in shown, name)
    assert.deepEqual([shown.aliases, shown.cpuCount, shown.memoryMB], [['first-generation'], 1, 512])
    const path = `/templates/${templateID}/builds/${buildID}`
    assert.equal((await platform.json('GET', `${path}/status`)).status, 'waiting')
    await began(path)
    assert.equal((await built(path)).status, 'ready')
    assert.equal((await platform.call('POST', path)).status, 400, 'it begins once')
    const { sandboxID } = await platform.json('POST', '/sandboxes', { templateID: 'first-generation', timeout: 60 })
    const command = 'cat colour; ls /tmp/started'
    const { stdout } = await platform.json('POST', `/v1/sandboxes/${sandboxID}/execute`, { command })
    assert.equal(stdout, 'blue\n/tmp/started\n')
    await platform.call('DELETE', `/sandboxes/${sandboxID}`)

    const again = await platform.json('POST', `/templates/${templateID}`, { dockerfile: 'FROM base\nRUN exit 3' })
    assert.deepEqual([again.templateID, again.buildCount], [templateID, 2])
    const second = `/templates/${templateID}/builds/${again.buildID}`
    await began(second)
    const failed = await built(second)
    assert.deepEqual([failed.status, failed.reason.step], ['error', 'line 2'])
    assert.match(failed.reason.message, /exit 3/)
    const nameless = await platform.json('POST', '/templates', { dockerfile: 'FROM base' })
    assert.deepEqual(nameless.aliases.length, 1)
    const v2 = await platform.json('POST', '/v2/templates', { alias: 'second-generation', memoryMB: 256 })
    assert.deepEqual([v2.aliases, v2.memoryMB], [['second-generation'], 256])
    const unplanned = await platform.call('POST', `/templates/${v2.templateID}/builds/${v2.buildID}`)
    assert.equal(unplanned.status, 400, 'its build has no Dockerfile')
  })

  test('what a request for a template says and cannot be had is refused by its name', async () => {
    for (const [path, body, status, reason] of [
      ['/templates', { dockerfile: 'FROM base\nCOPY a b' }, 400, /"dockerfile" copies files in line 2/],
      ['/templates', { dockerfile: 'RUN x' }, 400, /line 1/],
      ['/templates', { alias: 'x' }, 400, /"dockerfile"/],
      ['/templates', { dockerfile: 'FROM base', teamID: 'other' }, 404, /team 'other'/],
      ['/templates/nothing', { dockerfile: 'FROM base' }, 404, /"nothing"/],
      ['/templates/base', { dockerfile: 'FROM base' }, 403, /"base"/],
      ['/templates/first-generation', { dockerfile: 'FROM base', alias: 'else' }, 400, /"alias"/],
      ['/v2/templates', { alias: 'x', teamID: 'other' }, 404, /team 'other'/],
      ['/v2/templates', {}, 400, /"alias"/],
      ['/v3/templates', { name: 'x', teamID: 'other' }, 404, /team 'other'/],
      ['/v3/templates', { name: 'x', minFreeDiskMb: 9_000_000 }, 400, /"minFreeDiskMb" can be at most \d+/],
      ['/v3/templates', { name: 'x', colour: 'blue' }, 400, /"colour"/],
    ] as const) {
      const answer = await platform.call('POST', path, body)
      const { code, message } = await answer.json()
      assert.deepEqual([answer.status, code], [status, status], `${path} ${JSON.stringify(body)}: ${message}`)
      assert.match(message, reason)
    }
    const asked = await platform.call('POST', '/v3/templates', { name: 'roomy', minFreeDiskMb: 100 })
    assert.equal(asked.status, 202)
    for (const path of [
      '/templates?limit=1',
      '/templates?teamID=other',
      '/v2/templates?limit=0',
      '/v2/templates?teamID=other',
      '/v2/templates?nextToken=x',
      '/templates/base?x=1',
      '/templates/base/tags?x=1',
      '/volumes?limit=1',
      '/teams?x=1',
    ]) {
      const answer = await platform.call('GET', path)
      const status = path.includes('other') ? 404 : 400
      assert.deepEqual([answer.status, (await answer.json()).code], [status, status], path)
    }
  })

  test('it is counted how often each template is used, and another of its name begins at 0', async () => {
    const used = async (name: string): Promise<Answer> =>
      (await platform.json('GET', '/v2/templates')).find(({ names }: Answer) => names.includes(name))
    const begin = new Date().toISOString()
    const build = async () => {
      const { templateID, buildID } = await platform.json('POST', '/templates', {
        alias: 'used',
        dockerfile: 'FROM base',
      })
      await began(`/templates/${templateID}/builds/${buildID}`)
      await built(`/templates/${templateID}/builds/${buildID}`)
    }
    await build()
    const before = await used('base')
    assert.deepEqual([(await used('used')).spawnCount, (await used('used')).lastSpawnedAt], [0, null])
    for (const templateID of ['used', 'used', 'base']) {
      const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID })
      await platform.call('DELETE', `/sandboxes/${sandboxID}`)
    }
    await until('they are counted', async () => (await used('used')).spawnCount === 2)
    await until('that of the platform too', async () => (await used('base')).spawnCount === before.spawnCount + 1)
    const { templateID, lastSpawnedAt } = await used('used')
    assert.ok(lastSpawnedAt > begin && lastSpawnedAt <= new Date().toISOString(), lastSpawnedAt)
    assert.equal((await platform.json('GET', `/templates/${templateID}`)).spawnCount, 2)
    await platform.call('DELETE', `/templates/${templateID}`)
    await build()
    assert.equal((await used('used')).spawnCount, 0)
  })

  test('templates and their builds come by pages', async () => {
    for (const name of ['paged', 'paged', 'other']) await platform.json('POST', '/v3/templates', { name })
    const pages = async (path: string, itemsOf: (body: Answer) => Answer[]) => {
      const found: Answer[] = []
      let token: string | null = ''
      do {
        const query: string = `limit=1${token && `&nextToken=${token}`}`
        const answer = await platform.call('GET', `${path}?${query}`)
        const items = itemsOf(await answer.json())
        assert.equal(items.length, 1)
        found.push(...items)
        token = answer.headers.get('x-next-token')
      } while (token)
      return found
    }
    const templates = await pages('/v2/templates', (body) => body)
    const all: Answer[] = await platform.json('GET', '/templates')
    const ids = (list: Answer[]) => list.map(({ templateID }) => templateID).sort()
    assert.deepEqual(ids(templates), ids(all))
    assert.deepEqual(templates.at(-1).names, ['base'])
    const open = templates.filter((one) => one.public).flatMap(({ names }) => names)
    assert.ok(open.includes('base') && open.includes('debian') && !open.includes('paged'))
    const { templateID, names } = templates.find(({ aliases }) => aliases[0] === 'paged')
    const builds = await pages(`/templates/${templateID}`, (body) => {
      assert.deepEqual([body.templateID, body.names], [templateID, names])
      return body.builds
    })
    assert.equal(builds.length, 2)
    assert.ok(builds[0].createdAt >= builds[1].createdAt)
    for (const name of ['buildID', 'cpuCount', 'createdAt', 'memoryMB', 'status', 'updatedAt'])
      assert.ok(name in builds[0], name)
    const [tag] = await platform.json('GET', '/templates/base/tags')
    assert.equal(tag.tag, 'default')
  })

  test('the log of a build is read forward and back, from a moment on, from a level on', async () => {
    const { templateID, buildID } = await platform.json('POST', '/v3/templates', { name: 'chatty' })
    const steps = [{ type: 'RUN', args: ['for n in 1 2 3; do echo line $n; done; echo oh >&2'] }]
    const path = `/templates/${templateID}/builds/${buildID}`
    await platform.json('POST', `/v2${path}`, { fromTemplate: 'base', steps })
    await built(path)
    const logs = async (query: string) => (await platform.json('GET', `${path}/logs?${query}`)).logs
    const all = await logs('')
    const texts = (entries: Answer[]) => entries.map(({ message }) => message)
    assert.ok(texts(all).includes('line 2') && texts(all).includes('oh'))
    assert.deepEqual(texts(await logs('direction=backward')), texts(all).toReversed())
    assert.deepEqual(texts(await logs('limit=2')), texts(all).slice(0, 2))
    assert.deepEqual(texts(await logs('level=warn')), ['oh'])
    const moment = Date.parse(all.at(-1).timestamp)
    assert.ok((await logs(`cursor=${moment + 1}`)).length === 0)
    assert.ok(texts(await logs(`cursor=${moment}&source=persistent`)).includes(all.at(-1).message))
    for (const wrong of ['limit=101', 'direction=up', 'level=loud', 'source=x', 'x=1'])
      assert.equal((await platform.call('GET', `${path}/logs?${wrong}`)).status, 400, wrong)
  })

  test('a start command that ends badly is no template, whatever the ready command says', async () => {
    const { templateID, buildID } = await platform.json('POST', '/v3/templates', { name: 'stillborn' })
    const path = `/templates/${templateID}/builds/${buildID}`
    const plan = { fromTemplate: 'base', steps: [], startCmd: './not/there', readyCmd: 'sleep 2' }
    await platform.json('POST', `/v2${path}`, plan)
    const { status, reason } = await built(path)
    assert.deepEqual([status, reason.step], ['error', 'finalize'])
    assert.match(reason.message, /start command ended with exit code 127/)
  })
})

test('what a sandbox wrote is told line by line', async () => {
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
  const command = "printf 'one\\ntwo'; sleep 0.2; printf ' and more\\nthr\\303'; sleep 0.2; printf '\\251e'"
  await platform.json('POST', `/v1/sandboxes/${sandboxID}/execute`, { command })
  const { logs } = await platform.json('GET', `/v2/sandboxes/${sandboxID}/logs`)
  const [begun, ...rest] = logs.map(({ message }: Answer) => message)
  assert.match(begun, /^started: .*printf/)
  assert.deepEqual(rest, ['one', 'two and more', 'thrée', 'exited: code 0'])
  const first = await platform.json('GET', `/sandboxes/${sandboxID}/logs?limit=2`)
  assert.deepEqual(
    first.logs.map(({ line }: Answer) => line),
    [begun, 'one'],
  )
  await platform.call('DELETE', `/sandboxes/${sandboxID}`)
})

test('where the operator shuts everything, what is allowed alone is what is reached', async () => {
  const reach = async (network: object) => {
    const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base', network })
    const { policy } = await platform.json('GET', `/v1/sandboxes/${sandboxID}/network`)
    const detail = await platform.json('GET', `/sandboxes/${sandboxID}`)
    await platform.call('DELETE', `/sandboxes/${sandboxID}`)
    return { policy, detail }
  }
  const { policy, detail } = await reach({ allowOut: ['1.1.1.1'] })
  assert.deepEqual([policy.internet, policy.allow, policy.deny], [false, ['1.1.1.1'], []])
  assert.ok(!('asked' in policy), 'the words of another door are not shown')
  assert.equal(detail.allowInternetAccess, null)
  assert.deepEqual(detail.network, { allowPublicTraffic: true, allowOut: ['1.1.1.1'] })
  const none = await reach({})
  assert.deepEqual([none.policy.internet, none.policy.allow], [false, []])
})

async function began(path: string): Promise<void> {
  const answer = await platform.call('POST', path)
  assert.deepEqual([answer.status, await answer.text()], [202, ''])
}

function built(path: string): Promise<Answer> {
  return until(
    'the build has ended',
    async () => {
      const found = await platform.json('GET', `${path}/status`)
      return ['ready', 'error'].includes(found.status) && found
    },
    120_000,
  )
}
