import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { server, serverUrl } from '../../server.ts'
import { forgetSession, sessionAt } from '../../session.ts'

export function addLogout(parent: Command): void {
  parent.command('logout').description(text.logout).action(logout)
}

async function logout(): Promise<void> {
  if (!sessionAt(serverUrl())) return void process.stderr.write(`${text.notSignedIn}\n`)
  try {
    await server().auth.logout()
  } catch (error) {
    // It may be over already.
    if (!(error instanceof WarrenError && ['unauthenticated', 'forbidden'].includes(error.code))) throw error
  }
  forgetSession()
}
