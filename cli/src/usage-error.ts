import type { Command } from 'commander'
import { text } from './messages.ts'

/**
 * What commander says of a mistake in the command line, as we say it: with our prefix, in our language, and with the full
 * path of a command that exists elsewhere, as `ls` does below `sandbox`. With `json` as other errors are told then.
 */
export function usageError(program: Command, message: string, json: boolean): string {
  let said = message.replace(/^error: /, '')
  const unknown = /^unknown command '(.+?)'/.exec(said)?.[1]
  const path = unknown && pathOf(program, unknown)
  if (path) said = `unknown command '${unknown}'\n(Did you mean ${path}?)\n`
  for (const [pattern, replacement] of text.usageErrors) said = said.replace(pattern, replacement)
  if (!json) return `warren: ${said}`
  const [first, ...meant] = said.trim().split('\n')
  const hint = (meant.join(' ') || text.helpAfterError).replace(/^[(（]|[)）]$/g, '')
  return `${JSON.stringify({ error: { code: 'invalid_request', message: first, hint } })}\n`
}

function pathOf(command: Command, wanted: string): string | undefined {
  for (const child of command.commands) {
    if (child.name() === wanted || child.aliases().includes(wanted)) return `${command.name()} ${wanted}`
    const below = pathOf(child, wanted)
    if (below) return command.parent ? below : `${command.name()} ${below}`
  }
  return undefined
}
