import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Limiter } from '../../src/http/gateway/limiter.ts'

/** What every limiter does. `open` answers a new one that knows of no request. */
export function limiterContract(name: string, open: () => Promise<Limiter>): void {
  const opened = async (t: { after: (done: () => Promise<void>) => void }) => {
    const limiter = await open()
    t.after(() => limiter.close())
    return limiter
  }

  test(`${name}: of a hundred requests at once, as many are allowed as there are tokens`, async (t) => {
    const limiter = await opened(t)
    const bucket = { key: 'key:a', perMinute: 7 }
    const all = await Promise.all(Array.from({ length: 100 }, () => limiter.take([bucket])))
    assert.equal(all.filter(({ allowed }) => allowed).length, 7)
  })

  test(`${name}: tells what is left, when it is full again, and when to come back`, async (t) => {
    const limiter = await opened(t)
    const bucket = { key: 'key:b', perMinute: 2 }
    assert.deepEqual(await limiter.take([bucket]), {
      allowed: true,
      levels: [{ perMinute: 2, remaining: 1, resetSeconds: 30 }],
      retryAfterSeconds: 0,
    })
    await limiter.take([bucket])
    const { allowed, levels, retryAfterSeconds } = await limiter.take([bucket])
    assert.equal(allowed, false)
    assert.equal(levels[0]!.remaining, 0)
    assert.ok(Number.isInteger(retryAfterSeconds) && retryAfterSeconds >= 1 && retryAfterSeconds <= 30)
  })

  test(`${name}: takes from all buckets or from none`, async (t) => {
    const limiter = await opened(t)
    const wide = { key: 'organisation:c', perMinute: 5 }
    const narrow = { key: 'key:c', perMinute: 1 }
    assert.equal((await limiter.take([narrow, wide])).allowed, true)
    assert.equal((await limiter.take([narrow, wide])).allowed, false)
    const [, level] = (await limiter.take([narrow, wide])).levels
    assert.equal(level!.remaining, 4)
  })

  test(`${name}: only looks when it costs nothing`, async (t) => {
    const limiter = await opened(t)
    const bucket = { key: 'address:d', perMinute: 1 }
    assert.equal((await limiter.take([bucket], 0)).allowed, true)
    assert.equal((await limiter.take([bucket], 0)).levels[0]!.remaining, 1)
    await limiter.take([bucket])
    assert.equal((await limiter.take([bucket], 0)).allowed, false)
  })

  test(`${name}: tokens come back by and by`, async (t) => {
    const limiter = await opened(t)
    const bucket = { key: 'key:e', perMinute: 1200 }
    let allowed = true
    for (let sent = 0; sent < 5000 && allowed; sent++) ({ allowed } = await limiter.take([bucket]))
    assert.equal(allowed, false)
    while (!allowed) ({ allowed } = await limiter.take([bucket]))
  })

  test(`${name}: buckets do not know each other, whatever is in their names`, async (t) => {
    const limiter = await opened(t)
    for (const key of ['key:f', 'key:f ', 'key:*', 'key:\n', 'organisation:f', '__proto__', 'constructor'])
      assert.equal((await limiter.take([{ key, perMinute: 1 }])).allowed, true, key)
  })
}
