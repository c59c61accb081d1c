import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'

/** Ends it, as of telnet: Ctrl-]. What is typed otherwise goes to the machine. */
const leave = 0x1d

export function addConsole(parent: Command): void {
  parent.command('console').description(text.console).argument('<id>', text.argumentId).action(attach)
}

async function attach(id: string): Promise<void> {
  const { stdin, stdout, stderr } = process
  const sandbox = await server().sandboxes.get(id)
  const console = await sandbox.console({ onData: (bytes) => stdout.write(bytes) })
  if (stdin.isTTY) {
    stderr.write(`${text.consoleHint}\n`)
    stdin.setRawMode(true)
  }
  stdin.on('data', (data) => {
    if (stdin.isTTY && data.includes(leave)) console.close()
    else console.write(data)
  })
  stdin.on('end', () => console.close())
  try {
    await console.closed
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false)
    stdin.pause()
  }
}
