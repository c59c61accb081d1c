import type { IncomingMessage } from 'node:http'
import type { BlockList } from 'node:net'
import type { Account } from '../../accounts/account.ts'
import type { Authenticate } from '../../accounts/authenticate.ts'
import { looksLikeKey } from '../../accounts/key.ts'
import { digestOf } from '../../accounts/key-digest.ts'
import type { Caller, Principal } from '../../accounts/principal.ts'
import type { Held, Reauthorization } from '../../accounts/reauthorization.ts'
import type { Config } from '../../config.ts'
import { WarrenError } from '../../errors.ts'
import { subscriberOf } from '../../lib/subscriber-of.ts'
import { credentialsOf } from '../credentials.ts'
import { clientAddress, trustedProxies } from './client-address.ts'
import type { Drain } from './drain.ts'
import type { Bucket, Limiter, Taken } from './limiter.ts'
import { rateHeaders, rateOf } from './rate.ts'

/** Keys that were good once are let in from an address that has used up its attempts: so many are remembered. */
const mostKnown = 10_000

/** A request, and its answer where there is one to write headers on. */
interface Exchange {
  request: Pick<IncomingMessage, 'headers' | 'socket'>
  response?: { setHeader(name: string, value: string): unknown; readonly headersSent: boolean } | undefined
}

interface GatewayDeps {
  authenticate: Authenticate
  reauthorization: Pick<Reauthorization, 'hold'>
  limiter: Limiter
  rates: Config['rates']
  /** Of one organisation, where it was set for it. */
  requestsPerMinute: (account: Account) => Promise<number | undefined>
  trustedProxies: Config['trustedProxies']
  drain: Drain
}

/** What every request passes, at whichever door it comes in: who sends it, and whether they may send one more now. */
export class Gateway {
  readonly #deps: GatewayDeps
  /** The proxies in front. */
  readonly trusted: BlockList
  readonly #known = new Map<string, true>()
  /** Attempts of each address that are under way, and so are not counted yet. */
  readonly #attempting = new Map<string, number>()

  constructor(deps: GatewayDeps) {
    this.#deps = deps
    this.trusted = trustedProxies(deps.trustedProxies)
  }

  /** The address that a request came from, behind the proxies that are trusted. */
  addressOf(request: Exchange['request']): string {
    return clientAddress(request, this.trusted)
  }

  /**
   * Who sends this request, and for which organisation. Throws `unauthenticated`, `unavailable` when the platform stops, and `limit_exceeded` when too many came with the key,
   * for the organisation, or without a good key from the address.
   */
  async admit({ request, response }: Exchange, wanted: { organisation?: string } = {}): Promise<Caller> {
    const { authenticate, drain, limiter, rates, requestsPerMinute } = this.#deps
    drain.check()
    const credentials = { ...credentialsOf(request.headers), ...wanted }
    const mark = credentials.key === undefined ? undefined : digestOf(credentials.key).mark
    const isKnown = mark !== undefined && this.#known.has(mark)
    const attempts = isKnown ? [] : this.#attemptsOf(request)
    if (attempts.length > 0) {
      const looked = await limiter.take(attempts, 0)
      const underWay = this.#attempting.get(attempts[0]!.key) ?? 0
      if (!looked.allowed || looked.levels[0]!.remaining <= underWay)
        throw this.#tooManyAttempts({ ...looked, retryAfterSeconds: Math.max(1, looked.retryAfterSeconds) }, response)
    }
    let caller: Caller
    this.#attempt(attempts, 1)
    try {
      caller = await authenticate(credentials)
    } catch (error) {
      if ((error as WarrenError).code === 'unauthenticated') {
        if (mark !== undefined) this.#known.delete(mark)
        if (attempts.length > 0) await limiter.take(attempts)
      }
      throw error
    } finally {
      this.#attempt(attempts, -1)
    }
    if (mark !== undefined) this.#remember(mark)
    const buckets = [
      ...given(`key:${caller.principal.kind}:${caller.principal.id}`, rates.keyPerMinute),
      ...given(
        `organisation:${caller.account.id}`,
        (await requestsPerMinute(caller.account)) ?? rates.organisationPerMinute,
      ),
    ]
    if (buckets.length > 0) await this.#count(buckets, response)
    return caller
  }

  /** Whose key a request shows, where it may be meant for somebody else: of those that are not good only what looks like one of ours is counted. */
  async recognise({ request, response }: Exchange, wanted: { organisation?: string } = {}): Promise<Caller> {
    this.#deps.drain.check()
    const credentials = { ...credentialsOf(request.headers), ...wanted }
    try {
      return await this.#deps.authenticate(credentials)
    } catch (error) {
      const isGuess = (error as WarrenError).code === 'unauthenticated' && looksLikeKey(credentials.key)
      throw isGuess ? await this.failed({ request, response }, error) : error
    }
  }

  /**
   * Counts a token, a signature or an address that a door itself found to be wrong, as a key that is not known. Answers what to throw:
   * `refusal`, or that there were too many. One that is right is never held up by this: it is longer than can be guessed.
   */
  async failed({ request, response }: Exchange, refusal: unknown): Promise<unknown> {
    const attempts = this.#attemptsOf(request)
    if (attempts.length === 0) return refusal
    const taken = await this.#deps.limiter.take(attempts)
    return taken.allowed ? refusal : this.#tooManyAttempts(taken, response)
  }

  /** For what stays open: tells when who was let in may not have it any more. */
  hold(principal: Principal): Held {
    return this.#deps.reauthorization.hold(principal)
  }

  /** One more request that shows no key, but a signature, a token or a password. Throws `limit_exceeded`. */
  async admitAnyone({ request, response }: Exchange): Promise<void> {
    this.#deps.drain.check()
    const address = subscriberOf(this.addressOf(request))
    const buckets = given(`anyone:${address}`, this.#deps.rates.sandboxPerMinute)
    if (buckets.length > 0) await this.#count(buckets, response)
  }

  /** One more request for the inside or a port of a sandbox, whoever sends it. Throws `limit_exceeded`. */
  async admitTo(sandboxId: string, { response }: Pick<Exchange, 'response'>): Promise<void> {
    this.#deps.drain.check()
    const buckets = given(`sandbox:${sandboxId.slice(0, 64)}`, this.#deps.rates.sandboxPerMinute)
    if (buckets.length > 0) await this.#count(buckets, response)
  }

  #attempt([bucket]: Bucket[], change: 1 | -1): void {
    if (!bucket) return
    const now = (this.#attempting.get(bucket.key) ?? 0) + change
    if (now > 0) this.#attempting.set(bucket.key, now)
    else this.#attempting.delete(bucket.key)
  }

  async #count(buckets: Bucket[], response: Exchange['response']): Promise<void> {
    const taken = await this.#deps.limiter.take(buckets)
    tellRates(response, taken)
    if (taken.allowed) return
    const { levels } = taken
    const used = buckets
      .filter((_, at) => levels[at]!.remaining === 0)
      .map(({ key, perMinute }) => ({
        by: key.slice(0, key.indexOf(':')),
        perMinute,
      }))
    const { by, perMinute } = used[0] ?? { by: 'key', perMinute: 0 }
    throw tooFast(`more than ${perMinute} requests a minute for this ${by}`, taken)
  }

  #attemptsOf(request: Exchange['request']): Bucket[] {
    return given(`address:${subscriberOf(this.addressOf(request))}`, this.#deps.rates.attemptsPerMinute)
  }

  #tooManyAttempts(taken: Taken, response: Exchange['response']): WarrenError {
    tellRates(response, taken)
    return tooFast(`more than ${this.#deps.rates.attemptsPerMinute} requests a minute without a good key`, taken)
  }

  #remember(mark: string): void {
    if (this.#known.has(mark)) return
    if (this.#known.size >= mostKnown) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(mark, true)
  }
}

function tellRates(response: Exchange['response'], { levels }: Taken): void {
  if (!response || response.headersSent) return
  for (const [name, value] of rateHeaders(rateOf(levels))) response.setHeader(name, value)
}

function tooFast(what: string, { levels, retryAfterSeconds }: Taken): WarrenError {
  return new WarrenError('limit_exceeded', what, {
    hint: `Wait ${retryAfterSeconds} s, or ask the operator for a higher rate.`,
    details: { retryAfterSeconds, rate: rateOf(levels) },
  })
}

/** A limit of 0 is none. */
function given(key: string, perMinute: number): Bucket[] {
  return perMinute > 0 ? [{ key, perMinute }] : []
}
