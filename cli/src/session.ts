import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type SignedIn, Warren, WarrenError } from '@warren/sdk'

/** Who is signed in from this machine, and where. */
export interface Session extends SignedIn {
  url: string
  /** Id of the organisation that is acted for. */
  organisation?: string | undefined
}

/** An access token that is good for less is renewed first. */
const leastMs = 60_000
const patienceMs = 10_000

/** That of the server at `url`, if somebody is signed in there. */
export function sessionAt(url: string): Session | undefined {
  const session = keptSession()
  return session?.url === url ? session : undefined
}

function keptSession(): Session | undefined {
  try {
    return JSON.parse(readFileSync(sessionPath(), 'utf8'))
  } catch {
    return undefined
  }
}

export function keepSession(session: Session): void {
  const path = sessionPath()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(session), { mode: 0o600 })
  renameSync(draft, path)
}

export function forgetSession(): void {
  rmSync(sessionPath(), { force: true })
}

/** Renews the session where it has to be. A refresh token is good once, so only one command at a time does it. */
export async function renewSession(): Promise<void> {
  const isFresh = (session = keptSession()) => !session || Date.parse(session.expiresAt) - Date.now() > leastMs
  if (isFresh()) return
  const unlock = await lock(`${sessionPath()}.lock`)
  try {
    const session = keptSession()
    if (!session || isFresh(session)) return
    const { auth } = new Warren({ baseUrl: session.url, apiKey: '' })
    keepSession({ ...session, ...(await auth.refresh(session.refreshToken)) })
  } catch (error) {
    // A server that cannot be reached is told of by the command itself.
    if (error instanceof WarrenError && error.code === 'unauthenticated') forgetSession()
  } finally {
    unlock()
  }
}

/** A folder is made by one alone. One that was left behind is taken after a while. */
async function lock(path: string): Promise<() => void> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(50)) {
    try {
      mkdirSync(path)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (Date.now() > deadline) break
    }
  }
  return () => rmSync(path, { recursive: true, force: true })
}

function sessionPath(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'warren', 'session.json')
}
