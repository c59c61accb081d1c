import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { oneLine } from '../../output/one-line.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

interface Flags {
  like?: string
  agent?: string
  limit?: number
  json?: boolean
}

/** What agents have learned, to look at and to forget. */
export function addMemory(memory: Command): void {
  memory
    .command('experiences')
    .description(text.memoryExperiences)
    .option('--like <task>', text.optionLikeTask)
    .option('--agent <name>', text.optionExperienceAgent)
    .option('--limit <n>', text.optionMost, wholePositive)
    .option('--json', text.optionJson)
    .action(experiences)
  memory.command('forget').description(text.memoryForget).argument('<run>', text.argumentRun).action(forget)
  memory
    .command('facts')
    .description(text.memoryFacts)
    .argument('<agent>', text.argumentAgentName)
    .option('--like <words>', text.optionLikeWords)
    .option('--limit <n>', text.optionMost, wholePositive)
    .option('--json', text.optionJson)
    .action(facts)
  memory
    .command('forget-fact')
    .description(text.memoryForgetFact)
    .argument('<agent>', text.argumentAgentName)
    .argument('<fact>', text.argumentFact)
    .action(forgetFact)
}

async function experiences({ json, ...filter }: Flags): Promise<void> {
  const found = await server().agents.experiences(filter)
  if (json) return printJson(found)
  if (found.length === 0) return void process.stderr.write(`${text.noExperiences}\n`)
  const isRanked = filter.like !== undefined
  const head = [text.columnRun, text.columnAgent, text.columnRunOutcome, text.columnSteps, text.columnAge]
  process.stdout.write(
    table(
      [...(isRanked ? [text.columnLike] : []), ...head, text.columnTask],
      found.map(({ runId, agent, outcome, steps, at, task, score = 0 }) => [
        ...(isRanked ? [score.toFixed(2)] : []),
        ...[runId, agent, outcome, String(steps), shortDuration(Date.now() - Date.parse(at)), oneLine(task)],
      ]),
    ),
  )
}

async function forget(runId: string): Promise<void> {
  await server().agents.forgetExperience(runId)
}

async function facts(agent: string, { json, like, limit }: Flags): Promise<void> {
  const found = await server().agents.facts(agent, { like, limit })
  if (json) return printJson(found)
  if (found.length === 0) return void process.stderr.write(`${text.noFacts}\n`)
  const rows = found.map(({ id, runId, at, text: fact }) => {
    return [id, runId, shortDuration(Date.now() - Date.parse(at)), oneLine(fact)]
  })
  process.stdout.write(table([text.columnId, text.columnRun, text.columnAge, text.columnFact], rows))
}

async function forgetFact(agent: string, fact: string): Promise<void> {
  await server().agents.forgetFact(agent, fact)
}
