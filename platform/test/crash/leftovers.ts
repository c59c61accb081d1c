import { readFileSync } from 'node:fs'
import pg from 'pg'
import { type Platform, until } from '../platform.ts'
import { type HostView, type Living, viewHost } from './host-view.ts'

/** How long order is waited for, ms. The promise is ten seconds on a quiet host; how long it took is told. */
const orderMs = 60_000

interface Row {
  id: string
  state: string
  instance_id: string | null
  ended_at: Date | null
  events: string[]
}

/** The records of a platform as its database and its instances' folders hold them. */
export async function readRows(home: string): Promise<Row[]> {
  const client = new pg.Client({ host: `${home}/postgres/data`, user: 'warren', database: 'postgres' })
  await client.connect()
  try {
    const { rows } = await client.query<Row>(
      `select id, state, instance_id, ended_at,
        array(select type from events where subject = sandboxes.id order by seq) as events from sandboxes`,
    )
    return rows
  } finally {
    await client.end()
  }
}

/** Waits until everything that is there has a record and every record has what it says. */
export async function untilInOrder(platform: Platform, spare: number): Promise<void> {
  let faults: string[] = []
  const isInOrder = async () => {
    faults = leftovers(platform.home, viewHost(platform), await readRows(platform.home), spare)
    return faults.length === 0
  }
  await until('nothing lost, nothing left', isInOrder, orderMs).catch((error) => {
    throw new Error(`${error.message}:\n${faults.join('\n')}\n${platform.log().slice(-3000)}`)
  })
}

/**
 * What is there that no record owns, and what a record owns that is not there; a sentence each, none when all is in order.
 * `spare` ready instances belong to nobody yet.
 */
function leftovers(home: string, host: HostView, rows: Row[], spare: number): string[] {
  const owned = new Set(rows.filter(({ state }) => state === 'running').map(({ instance_id }) => instance_id!))
  const records = new Map(host.folders.map((id) => [id, recordOf(`${home}/run/${id}`)]))
  const waiting = host.folders.filter((id) => records.get(id)?.isSpare && !owned.has(id))
  // Made but for its last step, for whoever asks next: its keeper lives, and has nothing to tell yet.
  const prepared = host.folders.filter((id) => records.get(id)?.isPrepared && host.keepers.has(id))
  const known = new Set([...owned, ...waiting, ...prepared])
  const stray = (what: string, ids: Iterable<string>) =>
    [...ids].filter((id) => !known.has(id)).map((id) => `${what} ${id}`)
  const twice = (what: string, values: unknown[]) =>
    values.filter((value, index) => values.indexOf(value) !== index).map((value) => `${what} twice: ${value}`)
  const disks = host.folders.filter((id) => records.get(id)?.disk === 'loop')
  return [
    ...rows.flatMap(rowFaults),
    ...(waiting.length === spare ? [] : [`${waiting.length} ready instances, not ${spare}`]),
    ...[...known].filter((id) => !host.folders.includes(id)).map((id) => `no folder of ${id}`),
    ...[...known].filter((id) => host.keepers.get(id)?.length !== 1).map((id) => `not one keeper of ${id}`),
    ...stray('folder', host.folders),
    ...stray('keeper of', host.keepers.keys()),
    ...stray('control group', host.groups.keys()),
    ...[...host.groups].flatMap(([id, pids]) => strayInGroup(id, pids, host.below.get(id) ?? [])),
    ...host.strays.map((process) => `process ${process}`),
    ...stray('loop device of', host.loops),
    ...twice('loop device of', host.loops),
    ...disks.filter((id) => known.has(id) && !host.loops.includes(id)).map((id) => `no loop device of ${id}`),
    ...host.mounts.map((mount) => `mount ${mount}`),
    ...host.drafts.map((draft) => `file ${draft}`),
    ...twice(
      'host uid range',
      host.folders.map((id) => records.get(id)?.slot ?? id),
    ),
  ]
}

function rowFaults({ id, state, ended_at, events }: Row): string[] {
  const count = (type: string) => events.filter((event) => event === `sandbox.${type}`).length
  const wanted = { created: state === 'running' ? [1] : [0, 1], stopped: ended_at ? [1] : [0], failed: [0, 1] }
  return [
    ...(['starting', 'stopping'].includes(state) ? [`row ${id} is ${state}`] : []),
    ...(state === 'failed' && count('failed') !== 1 ? [`row ${id} failed and told it ${count('failed')} times`] : []),
    ...(['created', 'stopped', 'failed'] as const)
      .filter((type) => !wanted[type].includes(count(type)))
      .map((type) => `row ${id} is ${state} and has ${count(type)} events ${type}`),
  ]
}

function strayInGroup(id: string, pids: number[], below: Living[]): string[] {
  const known = new Set(below.map((living) => Number(living.split(' ')[0])))
  return pids.filter((pid) => !known.has(pid)).map((pid) => `process ${pid} in the control group of ${id}`)
}

function recordOf(
  folder: string,
): { slot: number; isSpare: boolean; isPrepared: boolean; disk: string | undefined } | undefined {
  const text = (name: string) => {
    try {
      return readFileSync(`${folder}/${name}`, 'utf8')
    } catch {
      return undefined
    }
  }
  try {
    const { spec, poolKey } = JSON.parse(text('spec.json')!)
    const state = text('state.json')
    return {
      slot: spec.slot,
      isSpare: poolKey !== undefined && text('claimed') === undefined,
      isPrepared: poolKey === undefined && state === undefined,
      disk: state && JSON.parse(state).disk,
    }
  } catch {
    return undefined
  }
}
