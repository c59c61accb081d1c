import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../errors.ts'
import { fetchToken, parseChallenge, refused } from './authorize.ts'
import { basicOf, type RegistryCredentials } from './credentials.ts'
import { isInsecure, type RegistryReach } from './reach.ts'
import type { ImageReference } from './reference.ts'
import { type RegistryAnswer, request } from './request.ts'

interface Ask {
  accept?: string
  /** First byte that is wanted. */
  from?: number
}

/** Tries of one question, the first included. */
export const tries = 5
const longestPauseMs = 20_000

/** Reads from one repository of one registry. A token is asked for when the registry wants one, once. */
export class RegistryClient {
  readonly #reference: ImageReference
  readonly #reach: RegistryReach
  readonly #credentials: RegistryCredentials | undefined
  readonly #signal: AbortSignal | undefined
  #authorization: Promise<string> | undefined

  constructor(
    reference: ImageReference,
    options: { reach: RegistryReach; credentials?: RegistryCredentials; signal?: AbortSignal },
  ) {
    this.#reference = reference
    this.#reach = options.reach
    this.#credentials = options.credentials
    this.#signal = options.signal
  }

  /** `what` is `manifests/TAG` or `blobs/DIGEST`. The answer's status is 200 or 206. */
  async get(what: string, { accept, from = 0 }: Ask = {}): Promise<IncomingMessage> {
    const { host, repository } = this.#reference
    const protocol = isInsecure(host, this.#reach.insecure) ? 'http' : 'https'
    const url = new URL(`${protocol}://${host}/v2/${repository}/${what}`)
    const headers: Record<string, string> = {
      ...(accept ? { accept } : {}),
      ...(from > 0 ? { range: `bytes=${from}-` } : {}),
    }
    const known = this.#authorization
    let { answer, fromOutside } = await this.#send(url, headers, await known)
    if (answer.statusCode === 401) {
      answer.destroy()
      // Others may have been told the same meanwhile; a token lasts some minutes only.
      if (this.#authorization === known) this.#authorization = this.#authorize(url, answer, fromOutside)
      // A question that failed may be asked again.
      this.#authorization?.catch(() => {
        this.#authorization = undefined
      })
      ;({ answer, fromOutside } = await this.#send(url, headers, await this.#authorization))
    }
    if (answer.statusCode === 200 || answer.statusCode === 206) return answer
    answer.destroy()
    throw this.#failure(answer, what)
  }

  /** Does `work` again, after longer and longer pauses, while it fails for reasons that pass. */
  async again<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        this.#signal?.throwIfAborted()
        if (attempt >= tries || !isPassing(error)) throw error
        const asked = Number((error as WarrenError).details?.retryAfterSeconds ?? 0) * 1000
        await sleep(Math.min(longestPauseMs, Math.max(asked, 100 * 4 ** (attempt - 1))), undefined, {
          signal: this.#signal,
        })
      }
    }
  }

  #send(url: URL, headers: Record<string, string>, authorization: string | undefined): Promise<RegistryAnswer> {
    const proof: Record<string, string> = authorization ? { authorization } : {}
    return request(this.#reach, { url, headers: { ...headers, ...proof }, signal: this.#signal })
  }

  async #authorize(url: URL, answer: IncomingMessage, fromOutside: boolean): Promise<string> {
    const { host, repository } = this.#reference
    const challenge = parseChallenge(answer.headers['www-authenticate'])
    const basic = this.#credentials && (await basicOf(this.#credentials, this.#reach, this.#signal))
    if (challenge?.scheme === 'bearer') {
      const question = { challenge, from: url, repository, basic, fromOutside, signal: this.#signal }
      return `Bearer ${await fetchToken(this.#reach, question)}`
    }
    if (challenge?.scheme === 'basic' && basic) return `Basic ${basic}`
    throw refused(401, host, repository, basic !== undefined)
  }

  #failure(answer: IncomingMessage, what: string): WarrenError {
    const { host, registry, repository } = this.#reference
    const status = answer.statusCode!
    if (status === 401 || status === 403) return refused(status, host, repository, this.#credentials !== undefined)
    if (status === 404)
      return new WarrenError(
        'not_found',
        `${registry} has no ${what.split('/')[0]} of ${repository} named ${what.split('/')[1]}`,
      )
    if (status === 429) {
      const retryAfterSeconds = Number(answer.headers['retry-after']) || 1
      return new WarrenError('limit_exceeded', `${host} is asked too often`, { details: { retryAfterSeconds } })
    }
    return new WarrenError('unavailable', `${host} answered with status ${status}`)
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof WarrenError && (error.code === 'unavailable' || error.code === 'limit_exceeded')
}
