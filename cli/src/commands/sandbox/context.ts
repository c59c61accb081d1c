import { type ContextLanguage, type ContextOutput, WarrenError } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { duration, pair } from '../../options.ts'
import { printJson, writeAll } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { table } from '../../output/table.ts'
import { orSandboxGone } from '../../sandbox-gone.ts'
import { server } from '../../server.ts'

const languages: ContextLanguage[] = ['python', 'javascript', 'typescript', 'bash', 'r', 'java']

/** Interpreters that keep what they have been told: create, list, execute, restart, remove. */
export function addContext(parent: Command): void {
  const context = parent.command('context').description(text.context)
  context.helpCommand('help [command]', text.helpCommand)
  context
    .command('create')
    .description(text.contextCreate)
    .argument('<id>', text.argumentId)
    .addOption(new Option('-l, --language <name>', text.optionLanguage).choices(languages))
    .option('-w, --cwd <path>', text.optionCwd)
    .option('--json', text.optionJson)
    .action(create)
  context
    .command('list')
    .alias('ls')
    .description(text.contextList)
    .argument('<id>', text.argumentId)
    .option('--json', text.optionJson)
    .action(list)
  context
    .command('execute')
    .description(text.contextExecute)
    .argument('<id>', text.argumentId)
    .argument('<context>', text.argumentContext)
    .argument('[code]', text.argumentCode)
    .option('-e, --env <NAME=value>', text.optionEnv, pair)
    .option('--timeout <time>', text.optionExecTimeout, duration)
    .option('--json', text.optionJson)
    .action(execute)
  context
    .command('restart')
    .description(text.contextRestart)
    .argument('<id>', text.argumentId)
    .argument('<context>', text.argumentContext)
    .action(restart)
  context
    .command('remove')
    .alias('rm')
    .description(text.contextRemove)
    .argument('<id>', text.argumentId)
    .argument('<context>', text.argumentContext)
    .action(remove)
}

async function create(
  id: string,
  { cwd, language, json }: { cwd?: string; language?: ContextLanguage; json?: boolean },
): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const context = await withProgress(text.creating, () => sandbox.contexts.create({ cwd, language }))
  if (json) printJson({ id: context.id })
  else process.stdout.write(`${context.id}\n`)
}

async function list(id: string, { json }: { json?: boolean }): Promise<void> {
  const contexts = await (await server().sandboxes.get(id)).contexts.list()
  if (json) return printJson(contexts)
  const rows = contexts.map((context) => [context.id, context.language, context.state, context.cwd])
  process.stdout.write(table([text.columnId, text.columnLanguage, text.columnState, text.columnFolder], rows))
}

/** As an interpreter's own prompt: output on ours, then the result; a traceback on stderr, and exit code 1. */
async function execute(
  id: string,
  contextId: string,
  code: string | undefined,
  { timeout, env, json }: { timeout?: number; env?: Record<string, string>; json?: boolean },
): Promise<void> {
  const { signal, exitCode } = interruption()
  try {
    const context = (await server().sandboxes.get(id)).contexts.get(contextId)
    const source = code ?? (await standardInput())
    const live = {
      onStdout: (_: string, { bytes }: { bytes: Uint8Array }) => writeAll(process.stdout, bytes),
      onStderr: (_: string, { bytes }: { bytes: Uint8Array }) => writeAll(process.stderr, bytes),
      onResult: ({ main, text }: ContextOutput) => {
        if (!main && text !== undefined) process.stdout.write(`${text}\n`)
      },
    }
    const outcome = await context.execute(source, { timeout, env, signal, ...(json ? {} : live) })
    if (outcome.reason !== 'completed') process.exitCode = outcome.reason === 'timeout' ? 124 : 1
    if (json) return printJson(outcome)
    if (outcome.result !== undefined) process.stdout.write(`${outcome.result}\n`)
    if (outcome.error) process.stderr.write(outcome.error.traceback)
    if (outcome.reason === 'timeout' && timeout) process.stderr.write(`warren: ${text.endedByTimeout(timeout)}\n`)
    if (outcome.reason === 'out_of_memory') process.stderr.write(`warren: ${text.endedByMemory}\n`)
    if (outcome.reason === 'died') process.stderr.write(`warren: ${text.contextDied}\n`)
  } catch (error) {
    if (!signal.aborted) throw await orSandboxGone(id, error)
    process.exitCode = exitCode() ?? 1
  }
}

async function restart(id: string, contextId: string): Promise<void> {
  await (await server().sandboxes.get(id)).contexts.get(contextId).restart()
}

async function remove(id: string, contextId: string): Promise<void> {
  await (await server().sandboxes.get(id)).contexts.get(contextId).remove()
}

async function standardInput(): Promise<string> {
  if (process.stdin.isTTY) throw new WarrenError('invalid_request', text.noCode)
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part)
  return Buffer.concat(parts).toString()
}
