import { type Command, InvalidArgumentError } from 'commander'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'

type Quotas = Record<string, number | null>

export function addSet(parent: Command): void {
  parent
    .command('set')
    .description(text.quotaSet)
    .argument('<quota...>', text.argumentQuotas, collect)
    .option('--organisation <id>', text.optionOrganisation)
    .action(set)
}

async function set(quotas: Quotas, { organisation }: { organisation?: string }): Promise<void> {
  await server().quotas.set(quotas, { organisation })
}

function collect(value: string, before: Quotas = {}): Quotas {
  const [, name, most] = /^([A-Za-z]+)=(\d+(?:\.\d+)?|default)$/.exec(value) ?? []
  if (!name || !most) throw new InvalidArgumentError(text.badQuota(value))
  return { ...before, [name]: most === 'default' ? null : Number(most) }
}
