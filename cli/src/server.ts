import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Warren, WarrenError } from '@warren/sdk'
import { text } from './messages.ts'
import { sessionAt } from './session.ts'

/** The server this command line talks to. */
export function server(): Warren {
  return new Warren({ baseUrl: serverUrl(), ...credentials() })
}

/** As whom: WARREN_API_KEY, else who is signed in there, else the admin key of this machine. */
export function credentials(): { apiKey: string | undefined; organisation?: string | undefined } {
  const baseUrl = serverUrl()
  const session = process.env.WARREN_API_KEY ? undefined : sessionAt(baseUrl)
  if (session) return { apiKey: session.accessToken, organisation: session.organisation }
  return { apiKey: process.env.WARREN_API_KEY || localKey(baseUrl) }
}

/** Throws `invalid_request`, naming the variable, where what was set is no address. */
export function serverUrl(): string {
  const { WARREN_URL: url, WARREN_PORT: port } = process.env
  if (url) {
    // Without a scheme, "localhost:7070" would be a URL whose scheme is "localhost".
    if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url
    throw new WarrenError('invalid_request', text.badUrl(url), { hint: text.badUrlHint })
  }
  if (port && !(/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
    throw new WarrenError('invalid_request', text.badPort(port))
  return `http://127.0.0.1:${port || 7070}`
}

/** Whether the server is on this machine, as far as its address tells. */
export function isLocal(baseUrl: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(baseUrl).hostname)
}

/** Where the platform of this machine keeps its state; the same default as the platform's own. */
export function warrenHome(): string {
  return process.env.WARREN_HOME || (process.getuid?.() === 0 ? '/var/lib/warren' : join(homedir(), '.warren'))
}

/** What to say where the server at `baseUrl` wants another key than it got, or any: where ours came from or was looked for. */
export function keyAdvice(baseUrl: string): { message: string; hint: string } {
  if (process.env.WARREN_API_KEY) return { message: text.wrongKey(baseUrl), hint: text.wrongKeyVariableHint }
  if (!isLocal(baseUrl)) return { message: text.noKey(baseUrl), hint: text.noKeyHint }
  const path = keyPath()
  return existsSync(path)
    ? { message: text.wrongKey(baseUrl), hint: text.wrongKeyFileHint(path) }
    : { message: text.noKey(baseUrl), hint: text.noKeyFileHint(path) }
}

/** The admin key of this machine. It goes to no other machine. */
export function localKey(baseUrl: string): string | undefined {
  if (!isLocal(baseUrl)) return undefined
  const path = keyPath()
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    // Not there: a request will tell whether that is because no server has ever run here.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new WarrenError('forbidden', text.keyUnreadable(path), { hint: text.keyUnreadableHint, cause })
  }
}

function keyPath(): string {
  return join(warrenHome(), 'admin.key')
}
