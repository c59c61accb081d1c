import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Warren, WarrenError } from '@warren/sdk'
import { text } from './messages.ts'

/** The server this command line talks to: WARREN_URL and WARREN_API_KEY, else the one of this machine. */
export function server(): Warren {
  const baseUrl = serverUrl()
  return new Warren({ baseUrl, apiKey: process.env.WARREN_API_KEY || localKey(baseUrl) })
}

export function serverUrl(): string {
  return process.env.WARREN_URL || `http://127.0.0.1:${process.env.WARREN_PORT || 7070}`
}

/** Where the platform of this machine keeps its state; the same default as the platform's own. */
export function warrenHome(): string {
  return process.env.WARREN_HOME || (process.getuid?.() === 0 ? '/var/lib/warren' : join(homedir(), '.warren'))
}

/** The admin key of this machine. It goes to no other machine. */
function localKey(baseUrl: string): string | undefined {
  const { hostname } = new URL(baseUrl)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return undefined
  const path = join(warrenHome(), 'admin.key')
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    // Not there: a request will tell whether that is because no server has ever run here.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new WarrenError('forbidden', text.keyUnreadable(path), { hint: text.keyUnreadableHint, cause })
  }
}
