import type { Command } from 'commander'
import { text } from './messages.ts'

/**
 * What commander says of a mistake in the command line, as we say it: with our prefix, in our language, and with the full
 * path of a command that exists elsewhere, as `ls` does below `sandbox`.
 */
export function usageError(program: Command, message: string): string {
  let said = message.replace(/^error: /, '')
  const unknown = /^unknown command '(.+?)'/.exec(said)?.[1]
  const path = unknown && pathOf(program, unknown)
  if (path) said = `unknown command '${unknown}'\n(Did you mean ${path}?)\n`
  for (const [pattern, replacement] of text.usageErrors) said = said.replace(pattern, replacement)
  return `warren: ${said}`
}

function pathOf(command: Command, wanted: string): string | undefined {
  for (const child of command.commands) {
    if (child.name() === wanted || child.aliases().includes(wanted)) return `${command.name()} ${wanted}`
    const below = pathOf(child, wanted)
    if (below) return command.parent ? below : `${command.name()} ${below}`
  }
  return undefined
}
