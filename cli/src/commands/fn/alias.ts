import { type Command, InvalidArgumentError } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addAlias(parent: Command): void {
  parent
    .command('alias')
    .description(text.fnAlias)
    .argument('<name>', text.argumentFunction)
    .argument('<alias>', text.argumentAlias)
    .argument('[versions...]', text.argumentTargets)
    .option('--delete', text.optionDeleteAlias)
    .option('--json', text.optionJson)
    .action(setAlias)
}

async function setAlias(
  name: string,
  alias: string,
  versions: string[],
  { json, ...flags }: { delete?: boolean; json?: boolean },
): Promise<void> {
  const { functions } = server()
  if (flags.delete) await functions.deleteAlias(name, alias)
  else {
    const targets = versions.map(targetOf)
    if (alias === 'live') await functions.setLive(name, targets)
    else await functions.setAlias(name, alias, targets)
  }
  if (json) printJson(await functions.get(name))
}

/** `3` is all calls, `3=90` is 90 percent of them. */
function targetOf(given: string): { version: number; weight: number } {
  const [, version, weight = '100'] = /^(\d+)(?:=(\d+(?:\.\d+)?))?$/.exec(given) ?? []
  if (version === undefined) throw new InvalidArgumentError(text.badTarget(given))
  return { version: Number(version), weight: Number(weight) }
}
