import { type Client, Refusal } from '../measure/client.ts'
import { type Program, programs } from './programs.ts'
import type { Pair, Verdict } from './results.ts'

export interface Place {
  template: string
  driver: string
  /** All of it takes many times as long. */
  emulated: boolean
}

const limits = { memoryMb: 2048, diskMb: 2048, maxProcesses: 512 }
/** How long a program's work may take, seconds. */
const deadlines = { work: 120, version: 60 }
const slowness = 10

/** Runs every program in one template on one runtime, each in a fresh sandbox; or says why that runtime does not start it. */
export async function runPair(
  client: Client,
  place: Place,
  tell: (line: string) => void,
): Promise<Pick<Pair, 'refused' | 'verdicts'>> {
  const refused = await whyRefused(client, place)
  if (refused !== undefined) return { refused, verdicts: {} }
  const verdicts: Record<string, Verdict> = {}
  for (const [index, program] of programs.entries()) {
    const verdict = await tryOne(client, program, place)
    verdicts[program.name] = verdict
    const said = verdict.outcome === null ? 'not installed' : verdict.outcome || 'works'
    tell(`${index + 1} of ${programs.length}, ${program.name}: ${said}`)
  }
  return { verdicts }
}

/** Also builds the template, if it is not there. Throws what is no word of the runtime's own. */
async function whyRefused(client: Client, place: Place): Promise<string | undefined> {
  try {
    await client.remove(await create(client, place))
  } catch (error) {
    const reason = error instanceof Refusal ? reasonOf(error.answer, place.driver) : undefined
    if (reason === undefined) throw error
    return reason
  }
}

/** What `driver` itself says in an answer that no runtime can be had. */
export function reasonOf(answer: string, driver: string): string | undefined {
  try {
    const { details } = JSON.parse(answer)
    return details.passedOver.find((passed: { driver: string }) => passed.driver === driver)?.reason
  } catch {
    return undefined
  }
}

async function create(client: Client, { template, driver, emulated }: Place): Promise<string> {
  const timeout = 600 * (emulated ? slowness : 1)
  return (await client.create({ template, isolation: { driver }, limits, timeout })).id
}

async function tryOne(client: Client, program: Program, place: Place): Promise<Verdict> {
  const factor = place.emulated ? slowness : 1
  let id: string | undefined
  try {
    id = await create(client, place)
    const [command, module] = program.needs.split(':')
    const there = module ? `python3 -c 'import ${module}'` : `command -v ${command}`
    if ((await client.attempt(id, there, deadlines.version * factor)).exitCode !== 0)
      return { version: '', outcome: null }
    const version = (await client.attempt(id, program.version, deadlines.version * factor)).stdout
    const { stdout, stderr, exitCode, reason } = await client.attempt(id, program.work, deadlines.work * factor)
    const works = exitCode === 0 && stdout.includes(program.shows)
    const lastLine = stderr.trim().split('\n').at(-1) || stdout.trim().split('\n').at(-1) || ''
    const how = reason === 'exited' ? (exitCode === 0 ? 'wrong output' : `exit code ${exitCode}`) : reason
    return { version: numberIn(version), outcome: works ? '' : `${how}: ${lastLine.slice(0, 120)}` }
  } catch (error) {
    return { version: '', outcome: (error as Error).message.slice(0, 160) }
  } finally {
    if (id !== undefined) await client.remove(id)
  }
}

/** The version's number in what a program says of itself. */
function numberIn(said: string): string {
  return /\d+(\.\d+)+[\w.+~-]*/.exec(said)?.[0] ?? (said.trim().split('\n')[0] ?? '').slice(0, 30)
}
