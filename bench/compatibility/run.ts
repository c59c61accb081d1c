import type { Client } from '../measure/client.ts'
import { type Program, programs } from './programs.ts'

export interface Verdict {
  program: string
  /** Of the host's version, which a sandbox of `base` shows. Empty where it is not installed. */
  version: string
  /** By runtime: undefined where the program is not installed, '' where it works, else why it does not. */
  outcomes: Record<string, string | undefined>
}

/** Runs every program in a sandbox of each runtime, each in a fresh one. */
export async function runPrograms(
  client: Client,
  plan: { template: string; drivers: string[]; tell: (line: string) => void },
): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  for (const program of programs) {
    const verdict: Verdict = { program: program.name, version: '', outcomes: {} }
    for (const driver of plan.drivers) {
      const { version, outcome } = await tryOne(client, program, { template: plan.template, driver })
      verdict.version ||= version
      verdict.outcomes[driver] = outcome
      plan.tell(`${program.name}, ${driver}: ${outcome === undefined ? 'not installed' : outcome || 'works'}`)
    }
    verdicts.push(verdict)
  }
  return verdicts
}

async function tryOne(
  client: Client,
  program: Program,
  { template, driver }: { template: string; driver: string },
): Promise<{ version: string; outcome: string | undefined }> {
  const limits = { memoryMb: 2048, diskMb: 2048, maxProcesses: 512 }
  const { id } = await client.create({ template, isolation: { driver }, limits })
  try {
    const [command, module] = program.needs.split(':')
    const there = module ? `python3 -c 'import ${module}'` : `command -v ${command}`
    if ((await client.attempt(id, there)).exitCode !== 0) return { version: '', outcome: undefined }
    const version = (await client.attempt(id, program.version)).stdout
    const { stdout, stderr, exitCode, reason } = await client.attempt(id, program.work, 120)
    const works = exitCode === 0 && stdout.includes(program.shows)
    const lastLine = stderr.trim().split('\n').at(-1) || stdout.trim().split('\n').at(-1) || ''
    const how = reason === 'exited' ? (exitCode === 0 ? 'wrong output' : `exit code ${exitCode}`) : reason
    return { version: numberIn(version), outcome: works ? '' : `${how}: ${lastLine.slice(0, 120)}` }
  } catch (error) {
    return { version: '', outcome: (error as Error).message.slice(0, 160) }
  } finally {
    await client.remove(id)
  }
}

/** The version's number in what a program says of itself. */
function numberIn(said: string): string {
  return /\d+(\.\d+)+[\w.+~-]*/.exec(said)?.[0] ?? (said.trim().split('\n')[0] ?? '').slice(0, 30)
}
