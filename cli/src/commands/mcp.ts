import type { Command } from 'commander'
import { text } from '../messages.ts'

export function addMcp(parent: Command): void {
  parent.command('mcp').description(text.mcp).addHelpText('after', `\n${text.mcpHelp}`).action(mcp)
}

/** The protocol is loaded by this command alone: it takes longer than most of the others run. */
async function mcp(): Promise<void> {
  const { bridge } = await import('../mcp/bridge.ts')
  await bridge()
}
