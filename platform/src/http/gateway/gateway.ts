import type { IncomingMessage } from 'node:http'
import type { BlockList } from 'node:net'
import type { Account } from '../../accounts/account.ts'
import type { Authenticate } from '../../accounts/authenticate.ts'
import { digestOf } from '../../accounts/key-digest.ts'
import type { Caller, Principal } from '../../accounts/principal.ts'
import type { Held, Reauthorization } from '../../accounts/reauthorization.ts'
import type { Config } from '../../config.ts'
import { WarrenError } from '../../errors.ts'
import { credentialsOf } from '../credentials.ts'
import { clientAddress, subscriberOf, trustedProxies } from './client-address.ts'
import type { Drain } from './drain.ts'
import type { Bucket, Level, Limiter } from './limiter.ts'

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
  readonly #trusted: BlockList
  readonly #known = new Map<string, true>()

  constructor(deps: GatewayDeps) {
    this.#deps = deps
    this.#trusted = trustedProxies(deps.trustedProxies)
  }

  /** The address that a request came from, behind the proxies that are trusted. */
  addressOf(request: Exchange['request']): string {
    return clientAddress(request, this.#trusted)
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
    const attempts: Bucket[] = isKnown
      ? []
      : given(`address:${subscriberOf(this.addressOf(request))}`, rates.attemptsPerMinute)
    if (attempts.length > 0) {
      const { allowed, retryAfterSeconds } = await limiter.take(attempts, 0)
      if (!allowed)
        throw tooFast(`more than ${rates.attemptsPerMinute} requests a minute without a good key`, retryAfterSeconds)
    }
    let caller: Caller
    try {
      caller = await authenticate(credentials)
    } catch (error) {
      if ((error as WarrenError).code === 'unauthenticated') {
        if (mark !== undefined) this.#known.delete(mark)
        if (attempts.length > 0) await limiter.take(attempts)
      }
      throw error
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

  /** Whose key a request shows, where it may be meant for somebody else: neither a good nor a bad one is counted. */
  recognise({ headers }: Pick<IncomingMessage, 'headers'>): Promise<Caller> {
    return this.#deps.authenticate(credentialsOf(headers))
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

  async #count(buckets: Bucket[], response: Exchange['response']): Promise<void> {
    const { allowed, levels, retryAfterSeconds } = await this.#deps.limiter.take(buckets)
    if (response && !response.headersSent) tellRates(response, levels)
    if (allowed) return
    const used = buckets
      .filter((_, at) => levels[at]!.remaining === 0)
      .map(({ key, perMinute }) => ({
        by: key.slice(0, key.indexOf(':')),
        perMinute,
      }))
    const { by, perMinute } = used[0] ?? { by: 'key', perMinute: 0 }
    throw tooFast(`more than ${perMinute} requests a minute for this ${by}`, retryAfterSeconds)
  }

  #remember(mark: string): void {
    if (this.#known.has(mark)) return
    if (this.#known.size >= mostKnown) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(mark, true)
  }
}

/** As draft-ietf-httpapi-ratelimit-headers has it, for the bucket that is used up first. */
function tellRates(response: NonNullable<Exchange['response']>, levels: readonly Level[]): void {
  const tightest = levels.reduce((least, level) => (level.remaining < least.remaining ? level : least))
  response.setHeader('ratelimit-policy', levels.map(({ perMinute }) => `${perMinute};w=60`).join(', '))
  response.setHeader('ratelimit-limit', String(tightest.perMinute))
  response.setHeader('ratelimit-remaining', String(tightest.remaining))
  response.setHeader('ratelimit-reset', String(tightest.resetSeconds))
}

function tooFast(what: string, retryAfterSeconds: number): WarrenError {
  return new WarrenError('limit_exceeded', what, {
    hint: `Wait ${retryAfterSeconds} s, or ask the operator for a higher rate.`,
    details: { retryAfterSeconds },
  })
}

/** A limit of 0 is none. */
function given(key: string, perMinute: number): Bucket[] {
  return perMinute > 0 ? [{ key, perMinute }] : []
}
