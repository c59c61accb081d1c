import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addWhoami(parent: Command): void {
  parent.command('whoami').description(text.whoami).option('--json', text.optionJson).action(whoami)
}

async function whoami({ json }: { json?: boolean }): Promise<void> {
  const me = await server().auth.me()
  if (json) return printJson(me)
  const { columnWho, columnOrg, columnRole } = text
  const who = me.user?.email ?? (me.kind === 'admin' ? text.adminKey : me.id)
  process.stdout.write(table([columnWho, columnOrg, columnRole], [[who, me.organisation.name, me.role]]))
}
