import type { Role } from '@warren/sdk'
import { Argument, type Command, Option } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'
import { orgOf } from './used-org.ts'

export const roles: Role[] = ['owner', 'admin', 'developer', 'billing', 'viewer']

interface Flags {
  org?: string
  json?: boolean
}

/** members, invite, role, remove and reset-password. */
export function addMembers(parent: Command): void {
  const of = (name: string, description: string) =>
    parent.command(name).description(description).option('--org <org>', text.optionOrg)
  of('members', text.orgMembers).option('--json', text.optionJson).action(members)
  of('invite', text.orgInvite)
    .argument('<email>', text.argumentEmail)
    .addOption(new Option('--role <role>', text.optionRole).choices(roles).default('developer'))
    .option('--hours <number>', text.optionHours, wholePositive)
    .option('--json', text.optionJson)
    .action(invite)
  of('role', text.orgRole)
    .argument('<member>', text.argumentMember)
    .addArgument(new Argument('<role>', text.optionRole).choices(roles))
    .action(async (member: string, role: Role, flags: Flags) => {
      const org = await orgOf(flags)
      await server().orgs.setRole(org, await memberOf(org, member), role)
    })
  of('remove', text.orgRemove)
    .argument('<member>', text.argumentMember)
    .action(async (member: string, flags: Flags) => {
      const org = await orgOf(flags)
      await server().orgs.removeMember(org, await memberOf(org, member))
    })
  parent
    .command('reset-password')
    .description(text.orgResetPassword)
    .argument('<email>', text.argumentEmail)
    .action(async (email: string) => {
      const { link, expiresAt } = await server().auth.createPasswordLink(email)
      process.stdout.write(`${link}\n`)
      process.stderr.write(`${text.sendLink(email, expiresAt)}\n`)
    })
}

async function members(flags: Flags): Promise<void> {
  const found = await server().orgs.members(await orgOf(flags))
  if (flags.json) return printJson(found)
  if (found.length === 0) return void process.stderr.write(`${text.noMembers}\n`)
  const rows = found.map(({ userId, email, name, role }) => [userId, email, name, role])
  process.stdout.write(table([text.columnId, text.columnEmail, text.columnName, text.columnRole], rows))
}

/** The link alone goes to stdout. */
async function invite(
  email: string,
  { role, hours, json, ...flags }: Flags & { role: Role; hours?: number },
): Promise<void> {
  const invitation = await server().orgs.invite(await orgOf(flags), { email, role, hours })
  if (json) return printJson(invitation)
  process.stdout.write(`${invitation.link}\n`)
  process.stderr.write(`${text.sendLink(email, invitation.expiresAt)}\n`)
}

/** By id or address. */
async function memberOf(org: string, member: string): Promise<string> {
  if (!member.includes('@')) return member
  const found = (await server().orgs.members(org)).find(({ email }) => email === member.toLowerCase())
  return found?.userId ?? member
}
