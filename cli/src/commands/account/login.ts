import { type SignedIn, Warren, WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { type Ask, withPrompt } from '../../prompt.ts'
import { serverUrl } from '../../server.ts'
import { keepSession } from '../../session.ts'
import { signOnInBrowser } from './sign-on-in-browser.ts'

export function addLogin(parent: Command): void {
  parent
    .command('login')
    .description(text.login)
    .argument('[email]', text.argumentEmail)
    .option('--sso', text.optionSso)
    .action(login)
}

async function login(given: string | undefined, { sso }: { sso?: boolean }): Promise<void> {
  const url = serverUrl()
  const { auth } = new Warren({ baseUrl: url, apiKey: '' })
  if (sso) return welcome(url, await signOnInBrowser(auth))
  await withPrompt(async (ask) => {
    const email = given ?? (await ask(text.askEmail))
    const password = await ask(text.askPassword, { hidden: true })
    await welcome(url, await withCode(ask, (code) => auth.login({ email, password, ...(code ? { code } : {}) })))
  })
}

/** Does `work`, a second time with the code of the second factor where one is asked for. */
export async function withCode(ask: Ask, work: (code?: string) => Promise<SignedIn>): Promise<SignedIn> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof WarrenError && error.details?.secondFactor)) throw error
    return work((await ask(text.askCode)).trim())
  }
}

/** Keeps the session and says who came in. */
export async function welcome(url: string, signedIn: SignedIn): Promise<void> {
  const { organisation, role, user } = await new Warren({ baseUrl: url, apiKey: signedIn.accessToken }).auth.me()
  keepSession({ ...signedIn, url, organisation: organisation.id })
  process.stderr.write(`${text.signedIn(user?.email ?? '', organisation.name, role)}\n`)
}
