import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { repeated } from '../../options.ts'
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
    .option('--image <file>', text.optionImage, repeated, [])
    .option('-d, --detach', text.optionDetach)
    .option('--json', text.optionJson)
    .action(run)
}

/** Ctrl-C stops watching; the run goes on. */
async function run(
  agent: string,
  words: string[],
  { image, detach, json }: { image: string[]; detach?: boolean; json?: boolean },
): Promise<void> {
  const warren = server()
  const { signal } = interruption()
  const images = image.map((file) => readFileSync(file))
  const input = words.length > 0 ? words.join(' ') : undefined
  const started = await warren.runs.start(agentArgument(agent), input, { images })
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
