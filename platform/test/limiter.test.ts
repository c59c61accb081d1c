import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { MemoryLimiter } from '../src/http/gateway/memory-limiter.ts'
import { RedisLimiter } from '../src/http/gateway/redis-limiter.ts'
import { limiterContract } from './contracts/limiter.ts'
import { noRedis, startRedis } from './redis-server.ts'

limiterContract('in memory', async () => new MemoryLimiter())

test('in memory: so many buckets are remembered and no more; the one that was used longest ago is full again', async () => {
  const limiter = new MemoryLimiter({ most: 2 })
  for (const key of ['a', 'b', 'c']) await limiter.take([{ key, perMinute: 1 }])
  assert.equal((await limiter.take([{ key: 'c', perMinute: 1 }])).allowed, false)
  assert.equal((await limiter.take([{ key: 'a', perMinute: 1 }])).allowed, true)
})

if (noRedis) {
  test('in Redis', { skip: noRedis }, () => {})
} else {
  const redis = await startRedis()
  after(() => redis[Symbol.asyncDispose]())
  const warnings: string[] = []
  const logger = { warn: (_details: object, text: string) => void warnings.push(text) }
  const open = () => RedisLimiter.open({ url: redis.url, logger: logger as never })

  limiterContract('in Redis', async () => {
    await redis.ask('FLUSHALL')
    return open()
  })

  test('in Redis: several nodes count together', async () => {
    await redis.ask('FLUSHALL')
    const nodes = await Promise.all([open(), open(), open()])
    const bucket = { key: 'organisation:o', perMinute: 9 }
    const all = await Promise.all(Array.from({ length: 60 }, (_, at) => nodes[at % 3]!.take([bucket])))
    assert.equal(all.filter(({ allowed }) => allowed).length, 9)
    for (const node of nodes) await node.close()
  })

  test('in Redis: a bucket that nobody uses is forgotten', async () => {
    await redis.ask('FLUSHALL')
    const node = await open()
    await node.take([{ key: 'key:x', perMinute: 10 }])
    const [, milliseconds] = /^:(\d+)/.exec(await redis.ask('PTTL warren:rate:key:x')) ?? []
    assert.ok(Number(milliseconds) > 0 && Number(milliseconds) <= 61_000, milliseconds)
    await node.close()
  })

  test('without Redis each node counts for itself, says so once, and goes back when it is there again', async () => {
    const node = await open()
    const bucket = { key: 'key:y', perMinute: 2 }
    const allowed = async () => (await node.take([bucket])).allowed
    await redis.ask('FLUSHALL')
    warnings.length = 0

    await redis.kill('SIGSTOP') // it takes connections and answers nothing
    assert.deepEqual([await allowed(), await allowed(), await allowed()], [true, true, false])
    await redis.kill('SIGCONT')
    await redis.kill('SIGKILL')
    const other = { key: 'key:z', perMinute: 1 }
    assert.deepEqual([(await node.take([other])).allowed, (await node.take([other])).allowed], [true, false])
    assert.deepEqual(warnings, ['redis is away: each node counts requests for itself'])

    await redis.start()
    const inRedis = { key: 'key:back', perMinute: 100_000 }
    do await node.take([inRedis])
    while (!(await redis.ask('EXISTS warren:rate:key:back')).startsWith(':1'))
    await node.close()
  })

  test('a node that starts without Redis serves, and finds it later', async () => {
    await redis.kill('SIGKILL')
    const node = await open()
    assert.equal((await node.take([{ key: 'key:early', perMinute: 1 }])).allowed, true)
    await redis.start()
    do await node.take([{ key: 'key:late', perMinute: 100_000 }])
    while (!(await redis.ask('EXISTS warren:rate:key:late')).startsWith(':1'))
    await node.close()
  })
}
