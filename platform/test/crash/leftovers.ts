import { existsSync, readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'
import { type Platform, until } from '../platform.ts'
import { type HostView, type Living, viewHost } from './host-view.ts'

/** How long order is waited for, ms. The promise is ten seconds on a quiet host; how long it took is told. */
const orderMs = 60_000

interface Row {
  id: string
  state: string
  /** Of a paused one: null where its files alone were kept. */
  paused_memory: 'saved' | 'resident' | null
  instance_id: string | null
  ended_at: Date | null
  events: string[]
}

interface SnapshotRow {
  id: string
  state: string
  events: string[]
}

interface Records {
  sandboxes: Row[]
  snapshots: SnapshotRow[]
}

/** The records of sandboxes as the database holds them. */
export async function readRows(home: string): Promise<Row[]> {
  return (await readRecords(home)).sandboxes
}

async function readRecords(home: string): Promise<Records> {
  const client = new pg.Client({ host: `${home}/postgres/data`, user: 'warren', database: 'postgres' })
  await client.connect()
  try {
    const sandboxes = await client.query<Row>(
      `select id, state, paused_memory, instance_id, ended_at,
        array(select type from events where subject = sandboxes.id order by seq) as events from sandboxes`,
    )
    const snapshots = await client.query<SnapshotRow>(
      'select id, state, array(select type from events where subject = snapshots.id) as events from snapshots',
    )
    return { sandboxes: sandboxes.rows, snapshots: snapshots.rows }
  } finally {
    await client.end()
  }
}

/** What the database holds, asked beside the platform. */
export async function queryRows<Row extends object>(home: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ host: `${home}/postgres/data`, user: 'warren', database: 'postgres' })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** Waits until everything that is there has a record and every record has what it says. */
export async function untilInOrder(
  platform: Platform,
  { spare, workers = async () => 0 }: { spare: number; workers?: () => Promise<number> },
): Promise<void> {
  let faults: string[] = []
  const isInOrder = async () => {
    const wanted = { spare, workers: await workers() }
    faults = leftovers(platform.home, viewHost(platform), await readRecords(platform.home), wanted)
    return faults.length === 0
  }
  await until('nothing lost, nothing left', isInOrder, orderMs).catch((error) => {
    throw new Error(`${error.message}:\n${faults.join('\n')}\n${platform.log().slice(-3000)}`)
  })
}

/**
 * What is there that no record owns, and what a record owns that is not there; a sentence each, none when all is in order.
 * `spare` ready instances belong to nobody yet, and `workers` to functions.
 */
function leftovers(
  home: string,
  host: HostView,
  { sandboxes, snapshots }: Records,
  wanted: { spare: number; workers: number },
): string[] {
  const owns = (is: (row: Row) => boolean) => sandboxes.filter(is).map(({ instance_id }) => instance_id!)
  // Nothing of these runs.
  const away = new Set(owns(({ state, paused_memory }) => state === 'paused' && paused_memory !== 'resident'))
  const resident = new Set(owns(({ state, paused_memory }) => state === 'paused' && paused_memory === 'resident'))
  const owned = new Set([...owns(({ state }) => state === 'running'), ...resident])
  const records = new Map(host.folders.map((id) => [id, recordOf(`${home}/run/${id}`)]))
  const waiting = host.folders.filter((id) => records.get(id)?.isSpare && !owned.has(id) && !away.has(id))
  // Made but for its last step, for whoever asks next: its keeper lives, and has nothing to tell yet.
  const prepared = host.folders.filter((id) => records.get(id)?.isPrepared && host.keepers.has(id))
  const workers = host.folders.filter((id) => records.get(id)?.isWorker && !prepared.includes(id))
  const known = new Set([...owned, ...waiting, ...prepared, ...workers])
  const stray = (what: string, ids: Iterable<string>) =>
    [...ids].filter((id) => !known.has(id)).map((id) => `${what} ${id}`)
  const twice = (what: string, values: unknown[]) =>
    values.filter((value, index) => values.indexOf(value) !== index).map((value) => `${what} twice: ${value}`)
  const disks = host.folders.filter((id) => records.get(id)?.disk === 'loop')
  return [
    ...sandboxes.flatMap(rowFaults),
    ...snapshotFaults(snapshots, host),
    ...slotFaults(host, [...records.values()]),
    ...[...away].flatMap((id) => awayFaults(id, host, `${home}/run/${id}`)),
    ...[...known].flatMap((id) => liveFaults(id, `${home}/run/${id}`, resident.has(id))),
    ...(waiting.length === wanted.spare ? [] : [`${waiting.length} ready instances, not ${wanted.spare}`]),
    ...(workers.length === wanted.workers ? [] : [`${workers.length} workers, not ${wanted.workers}`]),
    ...[...known].filter((id) => !host.folders.includes(id)).map((id) => `no folder of ${id}`),
    ...[...known].filter((id) => host.keepers.get(id)?.length !== 1).map((id) => `not one keeper of ${id}`),
    ...stray(
      'folder',
      host.folders.filter((id) => !away.has(id)),
    ),
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

/** What stays of one whose memory is saved or given up, and nothing else. */
const kept = ['claimed', 'disk.img', 'paused.json', 'saved', 'spec.json']

function awayFaults(id: string, host: HostView, folder: string): string[] {
  const files = host.folders.includes(id) ? readdirSync(folder) : []
  return [
    ...(['disk.img', 'paused.json', 'spec.json'] as const)
      .filter((name) => !files.includes(name))
      .map((name) => `no ${name} of ${id}, which is paused`),
    ...files.filter((name) => !kept.includes(name)).map((name) => `file ${name} of ${id}, which is paused`),
  ]
}

function liveFaults(id: string, folder: string, isResident: boolean): string[] {
  const stale = ['saved', 'standing', ...(isResident ? [] : ['paused.json'])].filter((name) =>
    existsSync(`${folder}/${name}`),
  )
  const calls = list(`${folder}/host`).filter((name) => name.startsWith('listen-'))
  return [...stale, ...calls].map((name) => `file ${name} of ${id}, which does not stand still`)
}

function snapshotFaults(rows: SnapshotRow[], { snapshots }: HostView): string[] {
  return [
    ...rows.filter(({ state }) => state !== 'ready').map(({ id, state }) => `snapshot ${id} is ${state}`),
    ...rows.filter(({ id }) => !snapshots.includes(id)).map(({ id }) => `no folder of snapshot ${id}`),
    ...rows
      .filter(({ events }) => events.join() !== 'snapshot.created')
      .map(({ id, events }) => `snapshot ${id} was told by ${events.length === 0 ? 'nothing' : events}`),
    ...snapshots.filter((id) => !rows.some((row) => row.id === id)).map((id) => `folder of snapshot ${id}`),
  ]
}

/** The platform keeps at most this many networks ready beside those in use. */
const mostSlotsReady = 64

function slotFaults({ slots }: HostView, records: ReturnType<typeof recordOf>[]): string[] {
  const taken = records.flatMap((record) => record?.network ?? [])
  const free = [...slots].filter(([slot]) => !taken.includes(slot))
  return [
    ...taken.filter((slot, at) => taken.indexOf(slot) !== at).map((slot) => `network ${slot} twice`),
    ...taken.filter((slot) => !slots.has(slot)).map((slot) => `no network ${slot}`),
    ...free.flatMap(([slot, pids]) => pids.map((pid) => `process ${pid} in the free network ${slot}`)),
    ...(free.length > mostSlotsReady ? [`${free.length} free networks`] : []),
  ]
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function rowFaults({ id, state, ended_at, events }: Row): string[] {
  const count = (type: string) => events.filter((event) => event === `sandbox.${type}`).length
  const changes = count('paused') - count('resumed')
  const isNow = { running: 0, paused: 1 }[state]
  const wanted = {
    created: ['running', 'paused'].includes(state) ? [1] : [0, 1],
    stopped: ended_at ? [1] : [0],
    failed: [0, 1],
  }
  return [
    ...(isNow !== undefined && changes !== isNow ? [`row ${id} is ${state} and was told by ${events}`] : []),
    ...(['starting', 'pausing', 'resuming', 'stopping'].includes(state) ? [`row ${id} is ${state}`] : []),
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

interface RecordedInstance {
  slot: number
  network: number | undefined
  isSpare: boolean
  isPrepared: boolean
  isWorker: boolean
  disk: string | undefined
}

function recordOf(folder: string): RecordedInstance | undefined {
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
      network: spec.network?.slot,
      isSpare: poolKey !== undefined && text('claimed') === undefined,
      isWorker: spec.template === '.functions',
      isPrepared: poolKey === undefined && state === undefined,
      disk: state && JSON.parse(state).disk,
    }
  } catch {
    return undefined
  }
}
