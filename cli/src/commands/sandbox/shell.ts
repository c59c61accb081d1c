import { type Sandbox, WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'
import { exitCodeOf } from '../../stream-exec.ts'

/** How long the sandbox of a shell may live that was opened for it. */
const ownSeconds = 8 * 3600

export function addShell(parent: Command): void {
  parent
    .command('shell')
    .description(text.shell)
    .argument('[id]', text.argumentShellId)
    .option('-c, --command <line>', text.optionCommand)
    .option('-u, --user <name>', text.optionUser)
    .action(shell)
}

/** In a sandbox of its own when none is named; that one ends with the shell. */
async function shell(id: string | undefined, options: { command?: string; user?: string }): Promise<void> {
  const { stdin, stdout } = process
  if (!stdin.isTTY || !stdout.isTTY)
    throw new WarrenError('invalid_request', text.noTerminal, { hint: text.noTerminalHint })
  const { sandboxes } = server()
  const sandbox = id
    ? await sandboxes.get(id)
    : await withProgress(text.creating, () => sandboxes.create({ timeout: ownSeconds }))
  try {
    process.exitCode = await converse(sandbox, options)
  } finally {
    if (!id) await sandbox[Symbol.asyncDispose]()
  }
}

/** Connects our terminal with one in the sandbox until that ends. Answers with its exit code. */
async function converse(sandbox: Sandbox, options: { command?: string; user?: string }): Promise<number> {
  const { stdin, stdout } = process
  const size = () => ({ cols: stdout.columns, rows: stdout.rows })
  const terminal = await sandbox.terminal({ ...options, ...size(), onData: (bytes) => stdout.write(bytes) })

  stdout.on('resize', () => terminal.resize(size()))
  stdin.setRawMode(true)
  stdin.on('data', (data) => terminal.write(data))
  try {
    return exitCodeOf(await terminal.exit)
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
  }
}
