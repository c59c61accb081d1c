import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { agentArgument } from '../../runs/agent-argument.ts'
import { tellOutcome } from '../../runs/outcome.ts'
import { watchRun } from '../../runs/watch-run.ts'
import { server } from '../../server.ts'

export function addRun(parent: Command): void {
  parent
    .command('run')
    .description(text.agentRun)
    .argument('<agent>', text.argumentAgent)
    .argument('[input...]', text.argumentInput)
    .option('-d, --detach', text.optionDetach)
    .option('--json', text.optionJson)
    .action(run)
}

/** Ctrl-C stops watching; the run goes on. */
async function run(
  agent: string,
  words: string[],
  { detach, json }: { detach?: boolean; json?: boolean },
): Promise<void> {
  const warren = server()
  const { signal } = interruption()
  const started = await warren.runs.start(agentArgument(agent), words.length > 0 ? words.join(' ') : undefined)
  if (detach) {
    if (json) printJson(started)
    else process.stdout.write(`${started.runId}\n`)
    return
  }
  try {
    const { run: ended } = await watchRun(warren, started.runId, { quiet: json === true, signal })
    if (json) printJson(ended)
    tellOutcome(ended)
  } catch (error) {
    if (!signal.aborted) throw error
    process.stderr.write(`${text.runGoesOn(started.runId)}\n`)
  }
}
