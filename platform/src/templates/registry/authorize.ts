import { WarrenError } from '../../errors.ts'
import type { RegistryReach } from './reach.ts'
import { readBody, request } from './request.ts'

/** What a registry wants, as its answer 401 says. */
export type Challenge = { scheme: 'basic' } | { scheme: 'bearer'; realm: string; service?: string; scope?: string }

/** Reads `WWW-Authenticate`; undefined for what is neither Basic nor Bearer. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const [, scheme = '', rest = ''] = /^\s*(\w+)(?:\s+(.*))?$/s.exec(header ?? '') ?? []
  if (scheme.toLowerCase() === 'basic') return { scheme: 'basic' }
  if (scheme.toLowerCase() !== 'bearer') return undefined
  const values: Record<string, string> = {}
  for (const [, name, quoted, bare] of rest.matchAll(/(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))/g))
    values[name!.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? bare ?? ''
  const { realm, service, scope } = values
  return realm === undefined ? undefined : { scheme: 'bearer', realm, service, scope }
}

interface TokenQuestion {
  challenge: Extract<Challenge, { scheme: 'bearer' }>
  /** Where the challenge came from. */
  from: URL
  repository: string
  basic: string | undefined
  fromOutside: boolean
  signal?: AbortSignal
}

/** Asks the place that the registry names for a token that lets pull from one repository. */
export async function fetchToken(reach: RegistryReach, question: TokenQuestion): Promise<string> {
  const { challenge, from, repository, basic, fromOutside, signal } = question
  if (!URL.canParse(challenge.realm))
    throw new WarrenError('unavailable', `${from.host} names no place where tokens come from`)
  const url = new URL(challenge.realm)
  // A registry with a certificate shall not have the password sent in the clear.
  if (from.protocol === 'https:' && url.protocol !== 'https:')
    throw new WarrenError('forbidden', `${from.host} wants tokens to be asked for over plain HTTP`)
  if (challenge.service) url.searchParams.set('service', challenge.service)
  url.searchParams.set('scope', challenge.scope || `repository:${repository}:pull`)
  const headers: Record<string, string> = basic ? { authorization: `Basic ${basic}` } : {}
  const { answer } = await request(reach, { url, headers, signal, fromOutside })
  const body = await readBody(answer, 1024 * 1024)
  if (answer.statusCode !== 200) throw refused(answer.statusCode!, url.host, repository, basic !== undefined)
  const token = tokenIn(body.toString('utf8'))
  if (!token) throw new WarrenError('unavailable', `${url.host} answered without a token`)
  return token
}

/** The same words for what does not exist and what is not shown: registries do not tell these apart either. */
export function refused(status: number, host: string, repository: string, hasCredentials: boolean): WarrenError {
  if (status !== 401 && status !== 403 && status !== 404)
    return new WarrenError('unavailable', `${host} answered with status ${status}`)
  return hasCredentials
    ? new WarrenError('forbidden', `${host} does not let these credentials pull ${repository}`)
    : new WarrenError('forbidden', `${host} has no image ${repository}, or shows it to known users only`, {
        hint: 'Check its name, or give credentials.',
      })
}

function tokenIn(json: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(json) as { token?: unknown; access_token?: unknown }
    const found = token ?? access_token
    return typeof found === 'string' && /^[\x21-\x7e]+$/.test(found) ? found : undefined
  } catch {
    return undefined
  }
}
