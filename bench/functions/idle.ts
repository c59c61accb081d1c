import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from '../measure/cpu-seconds.ts'
import { type Figure, figure } from '../measure/figure.ts'
import { processes, withDescendants } from '../measure/process-memory.ts'
import type { FunctionClient } from './client.ts'
import { privateDirtyBytes, workersOf } from './workers.ts'

const watchedMs = 10_000
/** Instances stand still this long after their call, with much to spare. */
const settleMs = 3000

/** What workers hold that wait for code. */
export function idleMemory(home: string): Figure[] {
  return (
    [
      ['Node', ' -e ', 8],
      ['Python', ' -c ', 2.5],
    ] as const
  ).map(([name, mark, most]) => {
    const workers = workersOf(home).filter(({ command }) => command.includes(mark))
    const mib = privateDirtyBytes(workers.map(({ pid }) => pid)) / Math.max(1, workers.length) / 2 ** 20
    return figure(`private dirty memory of an idle ${name} worker, of ${workers.length}`, mib, 'MiB', { most })
  })
}

/** What frozen instances use, and the workers that wait for code. */
export async function frozenTime(client: FunctionClient, home: string): Promise<Figure> {
  await sleep(settleMs)
  const frozen = await client.metric('function_instances{state="frozen"}')
  const workers = workersOf(home).map(({ pid }) => pid)
  const pids = withDescendants(workers, processes())
  const before = cpuSeconds(pids)
  await sleep(watchedMs)
  const percent = (100 * (cpuSeconds(pids) - before)) / (watchedMs / 1000)
  return figure(`processor time of ${frozen} frozen instances, ${workers.length} processes`, percent, '%', { most: 0 })
}
