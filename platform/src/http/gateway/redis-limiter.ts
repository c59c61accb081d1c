import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { inTime } from '../../lib/in-time.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { rareWarning } from '../../telemetry/rare-warning.ts'
import { type Bucket, type Limiter, type Taken, taken } from './limiter.ts'
import { MemoryLimiter } from './memory-limiter.ts'

/** A request waits no longer than this for Redis, and when it did so once, nobody does for a while. */
const patienceMs = 50
const awayMs = 1_000
/** How long the start waits for the first connection. */
const firstConnectionMs = 1_000
const warnEveryMs = 30_000
const keyPrefix = 'warren:rate:'

/** The arithmetic of MemoryLimiter, by the clock of Redis, which all nodes share. */
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local cost = tonumber(ARGV[1])
local allowed, tokens = 1, {}
for i, key in ipairs(KEYS) do
  local most = tonumber(ARGV[i + 1])
  local was = redis.call('HMGET', key, 'tokens', 'at')
  tokens[i] = most
  if was[1] then
    tokens[i] = math.min(most, tonumber(was[1]) + math.max(0, now - tonumber(was[2])) * most / 60000)
  end
  if tokens[i] < 1 then allowed = 0 end
end
local answer = { allowed }
for i, key in ipairs(KEYS) do
  if allowed == 1 and cost > 0 then
    tokens[i] = tokens[i] - cost
    redis.call('HSET', key, 'tokens', string.format('%.6f', tokens[i]), 'at', string.format('%.3f', now))
    redis.call('PEXPIRE', key, 61000)
  end
  answer[i + 1] = string.format('%.6f', tokens[i])
end
return answer`
const scriptHash = createHash('sha1').update(script).digest('hex')

/** The limits of several nodes together. While Redis is away each of them counts for itself. */
export class RedisLimiter implements Limiter {
  readonly #client: ReturnType<typeof createClient>
  readonly #alone = new MemoryLimiter()
  readonly #warn: (reason: Error) => void
  #awayUntil = 0

  private constructor(url: string, logger: Pick<Logger, 'warn'>) {
    const text = 'redis is away: each node counts requests for itself'
    this.#warn = rareWarning(logger, { text, everyMs: warnEveryMs })
    this.#client = createClient({
      url,
      disableOfflineQueue: true,
      socket: { connectTimeout: 2_000, reconnectStrategy: (tries) => Math.min(100 * 2 ** tries, 5_000) },
    })
    this.#client.on('error', (error: Error) => this.#warn(error))
  }

  /** Also when Redis is not there yet: it is looked for until it is. */
  static async open({ url, logger }: { url: string; logger: Pick<Logger, 'warn'> }): Promise<RedisLimiter> {
    const limiter = new RedisLimiter(url, logger)
    const connected = limiter.#client.connect().catch((error: Error) => limiter.#warn(error))
    await Promise.race([connected, sleep(firstConnectionMs, undefined, { ref: false })])
    return limiter
  }

  async take(buckets: readonly Bucket[], cost = 1): Promise<Taken> {
    if (!this.#client.isReady || performance.now() < this.#awayUntil) return this.#alone.take(buckets, cost)
    try {
      const [allowed, ...tokens] = await inTime(this.#run(buckets, cost), patienceMs, late)
      return taken(Number(allowed) === 1, buckets, tokens.map(Number))
    } catch (error) {
      this.#awayUntil = performance.now() + awayMs
      this.#warn(error as Error)
      return this.#alone.take(buckets, cost)
    }
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  async #run(buckets: readonly Bucket[], cost: number): Promise<string[]> {
    const given = {
      keys: buckets.map(({ key }) => keyPrefix + key),
      arguments: [String(cost), ...buckets.map(({ perMinute }) => String(perMinute))],
    }
    try {
      return (await this.#client.evalSha(scriptHash, given)) as string[]
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
      return (await this.#client.eval(script, given)) as string[]
    }
  }
}

function late(): Error {
  return new Error(`no answer within ${patienceMs} ms`)
}
