import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Figure, figure } from '../measure/figure.ts'

/** What a step of a run costs: an answer of the model and a call of a tool, with their entries in the journal. */
export interface StepCost {
  steps: number
  durability: 'every' | 'effects'
  /** Of the platform's process; what the database does is not in it. */
  cpuMicroseconds: number
  wallMicroseconds: number
  rssMb: number
  journalBytes: number
}

const worker = fileURLToPath(new URL('steps-worker.ts', import.meta.url))

/** Runs of a scripted model that answers at once, in processes of their own with a database of their own. */
export async function measureSteps({
  quick,
  tell,
}: {
  quick: boolean
  tell: (line: string) => void
}): Promise<Figure[]> {
  const figures: Figure[] = []
  const long = quick ? 200 : 1000
  for (const durability of ['effects', 'every'] as const) {
    tell(`steps, durability ${durability}`)
    const short = await cost(50, quick ? 3 : 121, durability)
    const whole = await cost(long, quick ? 2 : 5, durability)
    const named = `durability ${durability}`
    figures.push(
      figure(`CPU of a step at 50 steps, ${named}`, short.cpuMicroseconds, 'µs', { most: 150 }),
      figure(`CPU of a step at ${long} steps, ${named}`, whole.cpuMicroseconds, 'µs', { most: 300 }),
      figure(`time of a step at ${long} steps, ${named}`, whole.wallMicroseconds, 'µs', { most: 5000 }),
      figure(`peak RSS at ${long} steps, ${named}`, whole.rssMb, 'MB', { most: 150 }),
      figure(`journal, bytes a step at 50 steps, ${named}`, short.journalBytes, 'B', { most: 4096 }),
      figure(`journal, bytes a step at ${long} steps, ${named}`, whole.journalBytes, 'B', { most: 4096 }),
    )
  }
  return figures
}

async function cost(steps: number, runs: number, durability: StepCost['durability']): Promise<StepCost> {
  // As the platform is started.
  const args = ['--max-semi-space-size=8', worker, String(steps), String(runs), durability]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 })
  return JSON.parse(stdout) as StepCost
}
