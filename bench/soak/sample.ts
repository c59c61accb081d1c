import { createHash } from 'node:crypto'
import { globSync, readdirSync } from 'node:fs'
import pg from 'pg'
import { linkProc, readProc } from '../measure/proc.ts'
import { memoryOf, processes, withDescendants } from '../measure/process-memory.ts'

/** What a platform holds of its host at one moment. Every figure must be the same after a long time of the same work. */
export type Sample = Record<(typeof figures)[number]['name'], number>

/** Each with what it may rise by over the whole time and still be called flat. */
export const figures = [
  { name: 'platform memory, MiB PSS', share: 0.15, least: 12 },
  { name: 'database memory, MiB PSS', share: 0.2, least: 12 },
  { name: 'keepers and sandboxes, MiB PSS', share: 0.2, least: 12 },
  { name: 'descriptors of the platform', share: 0.1, least: 8 },
  { name: 'processes', share: 0.1, least: 8 },
  { name: 'zombies', share: 0, least: 2 },
  { name: 'control groups', share: 0.1, least: 4 },
  { name: 'loop devices', share: 0.1, least: 4 },
  { name: 'mounts on the host', share: 0, least: 1 },
  { name: 'mount namespaces', share: 0.1, least: 4 },
  { name: 'network namespaces', share: 0.1, least: 4 },
  { name: 'files in the home', share: 0.1, least: 24 },
  { name: 'rows of sandboxes', share: 0.5, least: 100 },
  { name: 'rows of events', share: 0.5, least: 200 },
] as const

/** Looks at the host and the database; asks the platform nothing. */
export async function takeSample({ pid, home }: { pid: number; home: string }): Promise<Sample> {
  const all = processes()
  const keepers = all.filter(({ command }) => command.includes(` keep --dir ${home}/`)).map((entry) => entry.pid)
  const database = all.filter(({ cwd }) => cwd === `${home}/postgres/data`).map((entry) => entry.pid)
  const kept = withDescendants(keepers, all)
  const own = [pid, ...database, ...kept]
  const mebibytes = (pids: number[]) => memoryOf(pids).pssBytes / 2 ** 20
  const images = list('/sys/block').map((name) => readProc(`/sys/block/${name}/loop/backing_file`))
  return {
    'platform memory, MiB PSS': mebibytes([pid]),
    'database memory, MiB PSS': mebibytes(database),
    'keepers and sandboxes, MiB PSS': mebibytes(kept),
    'descriptors of the platform': list(`/proc/${pid}/fd`).length,
    processes: own.length,
    zombies: withDescendants([pid, ...keepers], all).filter((each) => readProc(`/proc/${each}/stat`).includes(') Z '))
      .length,
    'control groups': controlGroups(home),
    'loop devices': images.filter((image) => image.startsWith(home)).length,
    'mounts on the host': readProc('/proc/self/mountinfo')
      .split('\n')
      .filter((line) => line.includes(home)).length,
    'mount namespaces': new Set(own.map((each) => linkProc(`/proc/${each}/ns/mnt`))).size,
    'network namespaces': new Set(own.map((each) => linkProc(`/proc/${each}/ns/net`))).size,
    'files in the home': globSync('{*,images/*,run/*,run/*/*}', { cwd: home }).length,
    ...(await rows(home)),
  }
}

async function rows(home: string): Promise<Pick<Sample, 'rows of sandboxes' | 'rows of events'>> {
  const client = new pg.Client({ host: `${home}/postgres/data`, user: 'warren', database: 'postgres' })
  await client.connect()
  try {
    const count = async (table: string) => Number((await client.query(`select count(*) from ${table}`)).rows[0].count)
    return { 'rows of sandboxes': await count('sandboxes'), 'rows of events': await count('events') }
  } finally {
    await client.end()
  }
}

function controlGroups(home: string): number {
  const parent = `warren-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`
  const hierarchies = ['.', ...list('/sys/fs/cgroup')]
  const groups = hierarchies.flatMap((hierarchy) =>
    list(`/sys/fs/cgroup/${hierarchy}/${parent}`).filter(
      (name) => list(`/sys/fs/cgroup/${hierarchy}/${parent}/${name}`).length > 0,
    ),
  )
  return new Set(groups).size
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // none, or gone in the meantime
  }
}
