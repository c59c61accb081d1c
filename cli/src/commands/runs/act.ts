import { readFileSync } from 'node:fs'
import { type RunInfo, WarrenError } from '@warren/sdk'
import { type Command, InvalidArgumentError } from 'commander'
import { text } from '../../messages.ts'
import { pair, repeated } from '../../options.ts'
import { harmless } from '../../output/harmless.ts'
import { printJson } from '../../output/print.ts'
import { agentArgument } from '../../runs/agent-argument.ts'
import { server } from '../../server.ts'

/** What does something with runs. */
export function addAct(runs: Command): void {
  runs
    .command('approve')
    .description(text.runsApprove)
    .argument('<run>', text.argumentRun)
    .argument('[approval]', text.argumentApproval)
    .option('--deny', text.optionDenyCall)
    .option('--done', text.optionDoneCall)
    .option('--retry', text.optionRetryCall)
    .option('--text <text>', text.optionAnswerText)
    .option('--json', text.optionJson)
    .action(approve)
  runs
    .command('say')
    .description(text.runsSay)
    .argument('<run>', text.argumentRun)
    .argument('<text>', text.argumentText)
    .option('--follow-up', text.optionFollowUp)
    .option('--interrupt', text.optionInterrupt)
    .option('--image <file>', text.optionImage, repeated, [])
    .action(say)
  runs.command('cancel').description(text.runsCancel).argument('<run>', text.argumentRun).action(cancel)
  runs
    .command('replay')
    .description(text.runsReplay)
    .argument('<run>', text.argumentRun)
    .option('--agent <agent>', text.optionReplayAgent)
    .option('--instructions <file>', text.optionInstructions)
    .option('--result <step=text>', text.optionResult, pair)
    .option('--json', text.optionJson)
    .action(replay)
  for (const verb of ['fork', 'rollback'] as const)
    runs
      .command(verb)
      .description(verb === 'fork' ? text.runsFork : text.runsRollback)
      .argument('<run>', text.argumentRun)
      .requiredOption(verb === 'fork' ? '--at <step>' : '--to <step>', text.optionAt, stepNumber)
      .option('--message <text>', text.optionMessage)
      .option('--json', text.optionJson)
      .action((id: string, flags: BranchFlags) => branch(verb, id, flags))
}

interface ApproveFlags {
  deny?: boolean
  done?: boolean
  retry?: boolean
  text?: string
  json?: boolean
}

async function approve(id: string, approval: string | undefined, flags: ApproveFlags): Promise<void> {
  const { runs } = server()
  const decision = flags.deny ? 'deny' : flags.done ? 'done' : flags.retry ? 'retry' : 'approve'
  const open = approval ? [approval] : ((await runs.get(id)).approvals ?? []).map((one) => one.id)
  if (open.length !== 1) throw new WarrenError('conflict', text.approvalsOpen(id, open))
  tell(await runs.answer(id, open[0]!, decision, flags.text), flags.json)
}

interface SayFlags {
  followUp?: boolean
  interrupt?: boolean
  image: string[]
}

async function say(id: string, said: string, { followUp, interrupt, image }: SayFlags): Promise<void> {
  const images = image.map((file) => readFileSync(file))
  await server().runs.say(id, said, interrupt ? 'interrupt' : followUp ? 'follow_up' : 'steer', { images })
}

async function cancel(id: string): Promise<void> {
  await server().runs.cancel(id)
}

/** Exits 1 where it became another run. */
async function replay(
  id: string,
  flags: { agent?: string; instructions?: string; result?: Record<string, string>; json?: boolean },
): Promise<void> {
  const result = await server().runs.replay(id, {
    agent: flags.agent === undefined ? undefined : agentArgument(flags.agent),
    instructions: flags.instructions === undefined ? undefined : readFileSync(flags.instructions, 'utf8'),
    results:
      flags.result && Object.entries(flags.result).map(([step, changed]) => ({ step: Number(step), text: changed })),
  })
  if (result.diverged) process.exitCode = 1
  if (flags.json) return printJson(result)
  if (!result.diverged) process.stdout.write(`${text.replaySame(result.steps)}\n`)
  else {
    process.stdout.write(`${text.replayDiverged(result.at ?? 0, result.what ?? '')}\n`)
    process.stdout.write(`- ${harmless(result.expected ?? '')}\n+ ${harmless(result.actual ?? '')}\n`)
  }
}

interface BranchFlags {
  at?: number
  to?: number
  message?: string
  json?: boolean
}

async function branch(verb: 'fork' | 'rollback', id: string, { at, to, message, json }: BranchFlags): Promise<void> {
  tell(await server().runs[verb](id, (at ?? to)!, message), json)
}

function tell(run: RunInfo, json: boolean | undefined): void {
  if (json) printJson(run)
  else process.stdout.write(`${run.runId}\n`)
}

function stepNumber(value: string): number {
  if (!/^\d{1,6}$/.test(value)) throw new InvalidArgumentError(text.badStep(value))
  return Number(value)
}
