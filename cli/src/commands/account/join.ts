import { Warren } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { withPrompt } from '../../prompt.ts'
import { serverUrl } from '../../server.ts'
import { welcome, withCode } from './login.ts'

export function addJoin(parent: Command): void {
  parent
    .command('join')
    .description(text.join)
    .argument('<link>', text.argumentLink)
    .option('--name <name>', text.optionPersonName)
    .action(join)
}

/** The server is that of the link. */
async function join(link: string, { name }: { name?: string }): Promise<void> {
  const [address, token = link] = link.split('#')
  const url = link.includes('#') && URL.canParse(address!) ? new URL(address!).origin : serverUrl()
  const { auth } = new Warren({ baseUrl: url, apiKey: '' })
  await withPrompt(async (ask) => {
    const password = await ask(text.askJoinPassword, { hidden: true })
    const input = { token, password, ...(name ? { name } : {}) }
    await welcome(url, await withCode(ask, (code) => auth.join({ ...input, ...(code ? { code } : {}) })))
  })
}
