import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPlatform, until } from '../../platform/test/platform.ts'
import { receive } from '../../platform/test/webhook-receiver.ts'
import { warren } from './warren.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_WEBHOOK_OPEN: '127.0.0.0/8' })
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }
const run = (...args: string[]) => warren(args, { env })
const inChinese = (...args: string[]) => warren(args, { env: { ...env, LC_ALL: 'zh_CN.UTF-8' } })

test('top shows the sandboxes that run, once where nobody looks at a terminal', async () => {
  assert.deepEqual(JSON.parse((await run('top', '--json')).stdout), [])
  const path = await platform.sandbox()
  const id = path.split('/').at(-1)!
  const { stdout, code } = await until(
    'it is measured',
    async () => {
      const shown = await run('top')
      return shown.stdout.includes(id) ? shown : undefined
    },
    30_000,
  )
  assert.equal(code, 0)
  assert.match(stdout, /^ID +TEMPLATE +RUNTIME +CPU +MEMORY +DISK\n/)
  assert.match(stdout, new RegExp(`^${id} +base +\\S+ +\\d+\\.\\d% +\\S+ ?\\S* / \\S+`, 'm'))
  assert.match((await inChinese('top', '--once')).stdout, /运行时/)
  const [found] = JSON.parse((await run('top', '--json')).stdout)
  assert.deepEqual([found.id, typeof found.memoryBytes], [id, 'number'])
  assert.match((await run('top', '--every', '0')).stderr, /--every <seconds>.*0/)
  await platform.call('DELETE', path)
})

test('usage is a table with a total, grouped as asked for', async () => {
  const { stdout } = await until(
    'it is told',
    async () => {
      const told = await run('usage')
      return /^sandbox /m.test(told.stdout) ? told : undefined
    },
    30_000,
  )
  assert.match(stdout, /^OF +LASTED +CPU +MEMORY GiB·h +HELD GiB·h +DISK GiB·h +IN +OUT\n/)
  assert.match(stdout, /^total +\S+ +\d+\.\ds +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d{3} /m)
  assert.match((await inChinese('usage')).stdout, /^对象[\s\S]*合计/)
  const { groups, total } = JSON.parse((await run('usage', '--group', 'template', '--json')).stdout)
  assert.deepEqual([groups[0].key, total.facts > 0], ['base', true])
  const nothing = JSON.parse((await run('usage', '--to', '2001-01-31', '--from', '2001-01-01', '--json')).stdout)
  assert.equal(nothing.total.facts, 0)
  for (const [args, why] of [
    [['--group', 'colour'], /--group <what>.*colour[\s\S]*kind/],
    [['--from', 'yesterday'], /from/],
    [['--from', '2026-02-01', '--to', '2026-01-01'], /from|to/],
  ] as const) {
    const { stdout, stderr, code } = await run('usage', ...args)
    assert.deepEqual([code, stdout], [1, ''], args.join(' '))
    assert.match(stderr, why)
  }
})

test('quotas are listed, set and put back; what makes no sense is refused with how to say it', async () => {
  const listed = await run('quota')
  assert.match(listed.stdout, /^NAME +USED +MOST +OWN\n/)
  assert.match(listed.stdout, /^sandboxes +\d+ +\d+ *$/m)
  assert.match((await inChinese('quota', 'list')).stdout, /已用 +上限/)
  assert.equal((await run('quota', 'set', 'sandboxes=3', 'cpuCores=2.5')).code, 0)
  const own = JSON.parse((await run('quota', 'list', '--json')).stdout)
  const of = (name: string) => own.find((one: { name: string }) => one.name === name)
  assert.deepEqual([of('sandboxes').most, of('sandboxes').own, of('cpuCores').most], [3, true, 2.5])
  assert.match((await run('quota')).stdout, /^sandboxes +\d+ +3 +\*$/m)
  assert.equal((await run('quota', 'set', 'sandboxes=default', 'cpuCores=default')).code, 0)
  for (const [args, why] of [
    [['sandboxes'], /"sandboxes" is not NAME=NUMBER or NAME=default/],
    [['sandboxes=-1'], /"sandboxes=-1" is not/],
    [['colours=3'], /colours/],
    [[], /quota/],
  ] as const) {
    const { stderr, code } = await run('quota', 'set', ...args)
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr, why)
  }
  const nobody = await run('quota', 'set', '--organisation', 'none', 'sandboxes=3')
  assert.deepEqual([nobody.code, nobody.stdout], [1, ''])
  assert.match(nobody.stderr, /^warren: there is no organisation "none"\n {2}.*warren org list/)
  assert.equal((await run('quota', 'set', '--organisation', 'org0', 'sandboxes=default')).code, 0)
  assert.match((await inChinese('quota', 'set', 'x')).stderr, /名称=数值/)
  const { key } = await platform.json('POST', '/v1/keys', { name: 'developer' })
  const developer = await warren(['quota', 'set', 'sandboxes=9'], { env: { ...env, WARREN_API_KEY: key } })
  assert.match(developer.stderr, /permission "platform:manage"/)
  assert.match((await run('key', 'list')).stdout, /LAST USED/)
})

test('webhooks are made, tried, looked at, replayed, rotated and deleted', async () => {
  const receiver = await receive()
  const made = await run('webhook', 'create', receiver.url, '--event', 'volume.*', '--event', 'snapshot.created')
  const id = made.stdout.trim()
  assert.match(made.stderr, /^secret, shown this once: whsec_\S+\n$/)
  const listed = await run('webhook', 'list')
  assert.match(listed.stdout, /^ID +URL +EVENTS +STATE +AGE\n/)
  assert.match(listed.stdout, new RegExp(`^${id} +${receiver.url} +volume\\.\\* snapshot\\.created +active `, 'm'))
  assert.match((await inChinese('webhook', 'ls')).stdout, /地址/)
  assert.ok(!(listed.stdout + (await run('webhook', 'list', '--json')).stdout).includes('whsec_'))

  const delivery = (await run('webhook', 'test', id)).stdout.trim()
  await until('it arrived', () => receiver.got.some(({ headers }) => headers['webhook-id'] === delivery))
  const { stdout } = await until('it is recorded', async () => {
    const shown = await run('webhook', 'deliveries', id, '--state', 'delivered')
    return shown.stdout.includes(delivery) ? shown : undefined
  })
  assert.match(stdout, new RegExp(`^${delivery} +webhook\\.test +${id} +delivered +\\S+ +1 +204$`, 'm'))
  assert.equal((await run('webhook', 'replay', id)).stdout, '0\n')
  assert.equal((await run('webhook', 'replay', id, '--delivery', delivery)).stdout, '1\n')
  await until('it arrived again', () => receiver.got.length === 2)
  assert.equal(JSON.parse((await run('webhook', 'deliveries', id, '--json')).stdout)[0].id, delivery)
  assert.match((await run('webhook', 'rotate', id, '--overlap', '1h')).stderr, /^secret, shown this once: whsec_/)
  assert.match(JSON.parse((await run('webhook', 'rotate', id, '--json')).stdout).secret, /^whsec_/)
  for (const [args, why] of [
    [['create', 'ftp://example.com'], /begins with https/],
    [['create', receiver.url, '--event', 'VOLUME'], /events/],
    [['deliveries', id, '--state', 'lost'], /waiting.*delivered.*dead/],
    [['replay', id, '--since', 'yesterday'], /since/],
    [['rotate', id, '--overlap', 'long'], /--overlap <time>/],
    [['test', 'w-none'], /there is no webhook "w-none"/],
    [['rotate', 'w-none'], /there is no webhook "w-none"/],
  ] as const) {
    const { stdout, stderr, code } = await run('webhook', ...args)
    assert.deepEqual([code, stdout], [1, ''], args.join(' '))
    assert.match(stderr, why)
  }
  assert.equal((await run('webhook', 'rm', id)).code, 0)
  assert.match((await run('webhook', 'rm', id)).stderr, /there is no webhook/)
  assert.deepEqual(JSON.parse((await run('webhook', 'list', '--json')).stdout), [])
})
