import type { RouteOptions } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

interface RouteFlags {
  version?: string
  delete?: string
  json?: boolean
}

export function addRoute(parent: Command): void {
  parent
    .command('route')
    .description(text.fnRoute)
    .argument('[name]', text.argumentFunction)
    .argument('[route]', text.argumentRoute)
    .option('--version <version>', text.optionQualifier)
    .option('--delete <id>', text.optionDeleteRoute)
    .option('--json', text.optionJson)
    .action(route)
}

/** Without a route those that there are, of one function or of all. */
async function route(name: string | undefined, wanted: string | undefined, flags: RouteFlags): Promise<void> {
  const { functions } = server()
  const { version, json } = flags
  if (flags.delete !== undefined) return functions.deleteRoute(flags.delete)
  if (name !== undefined && wanted !== undefined) {
    const [, method, path = wanted] = /^([A-Z*]+) +(\S+)$/.exec(wanted) ?? []
    const made = await functions.createRoute({
      ...{ path, function: name },
      ...(method === undefined ? {} : { method: method as NonNullable<RouteOptions['method']> }),
      ...(version === undefined ? {} : { version }),
    })
    return json ? printJson(made) : void process.stdout.write(`${made.url}\n`)
  }
  const only = name === undefined ? undefined : (await functions.get(name)).id
  const found = (await functions.routes()).filter(({ functionId }) => only === undefined || functionId === only)
  if (json) return printJson(found)
  const names = new Map((await functions.list()).map(({ id, name }) => [id, name]))
  const rows = found.map((one) => [one.id, `${one.method} ${one.path}`, names.get(one.functionId) ?? '', one.url])
  process.stdout.write(table([text.columnId, text.columnRoute, text.columnName, text.columnUrl], rows))
}
