import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { atomicWrite } from '../../platform/src/lib/atomic-write.ts'

/** What one program did in one template on one runtime. */
export interface Verdict {
  version: string
  /** null where the program is not installed, '' where it works, else why it does not. */
  outcome: string | null
  /** When, if not with the others: it was not installed when these ran last. */
  at?: string
}

/** One template on one runtime, as it ran. */
export interface Pair {
  template: string
  driver: string
  at: string
  /** The host that it ran on. */
  host: string
  /** What the runtime says of itself. */
  runtime: string
  emulated: boolean
  /** Why this runtime does not start this template; no program ran then. */
  refused?: string
  verdicts: Record<string, Verdict>
}

export interface Results {
  /** Every runtime that has been seen, strongest first, and, where it was not to be had when last looked at, why. */
  runtimes: { driver: string; missing?: string }[]
  pairs: Pair[]
}

const path = fileURLToPath(new URL('results.json', import.meta.url))

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(path, 'utf8'))
}

export async function writeResults(results: Results): Promise<void> {
  await atomicWrite(path, `${JSON.stringify(results, null, 1)}\n`, 0o644)
}

/** The result of this pair, if it has run with every one of these programs. */
export function complete(
  { pairs }: Results,
  { template, driver }: { template: string; driver: string },
  programs: readonly { name: string }[],
): Pair | undefined {
  const found = pairs.find((pair) => pair.template === template && pair.driver === driver)
  return found && (found.refused !== undefined || programs.every(({ name }) => name in found.verdicts))
    ? found
    : undefined
}

/** The results with this pair in the place of an earlier run of it, of which stays what is not installed any more. */
export function withPair({ pairs, ...others }: Results, pair: Pair): Results {
  const isOther = ({ template, driver }: Pair) => template !== pair.template || driver !== pair.driver
  const earlier = pairs.find((one) => !isOther(one))
  const verdicts = Object.entries(pair.verdicts).map(([name, verdict]): [string, Verdict] => {
    const known = earlier?.verdicts[name]
    const isGone = verdict.outcome === null && known && known.outcome !== null
    return [name, isGone ? { ...known, at: known.at ?? earlier!.at } : verdict]
  })
  return { ...others, pairs: [...pairs.filter(isOther), { ...pair, verdicts: Object.fromEntries(verdicts) }] }
}
