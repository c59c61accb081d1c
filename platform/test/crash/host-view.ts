import { createHash } from 'node:crypto'
import { globSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { processStat } from '../../src/lib/process-stat.ts'

const guestBinary = join(import.meta.dirname, '../../../guest/target/release/warren-guest')

/** A process that is not mistaken for a later one of the same number. */
export type Living = `${number} ${string}`

/** What this host holds of the platform in one home: looked up in /proc, /sys and the home itself, asking nobody. */
export interface HostView {
  /** Keepers by the instance that they keep. */
  keepers: Map<string, number[]>
  /** Keepers and every process below them, by instance. */
  below: Map<string, Living[]>
  /** Processes of ours that are below no keeper and are neither the platform, its launcher, its database nor the one gateway of networks. */
  strays: string[]
  /** Processes in our control groups, by instance. */
  groups: Map<string, number[]>
  /** Instances whose disk a loop device has, one entry for each device. */
  loops: string[]
  /** Mounts of ours that the whole host sees. */
  mounts: string[]
  /** Instances that have a folder. */
  folders: string[]
  /** Snapshots that have a folder. */
  snapshots: string[]
  /** Networks prepared for sandboxes, by number, and which processes are in them. */
  slots: Map<number, number[]>
  /** Paths in the home, two levels deep, but for what the database, the instances and the snapshots keep. */
  files: string[]
  /** Half-written files, at any depth. */
  drafts: string[]
}

interface Process {
  pid: number
  parent: number
  startTime: string
  command: string[]
}

export function viewHost({ home, pid }: { home: string; pid: number }): HostView {
  const all = processes()
  const keepers = new Map<string, number[]>()
  for (const { pid, command } of all) {
    const id = keptBy(command, home)
    if (id) keepers.set(id, [...(keepers.get(id) ?? []), pid])
  }
  const children = new Map<number, Process[]>()
  for (const process of all) children.set(process.parent, [...(children.get(process.parent) ?? []), process])
  const below = new Map([...keepers].map(([id, pids]) => [id, withDescendants(pids, children, all)]))
  const known = new Set([...below.values()].flat())
  const isOurs = ({ pid, parent, command }: Process) =>
    command.some((part) => part.includes(home)) ||
    // A launcher whose platform has died, an agent whose keeper has.
    (parent === 1 && command[1] !== 'keep' && link(`/proc/${pid}/exe`) === guestBinary)
  const devices = loopDevices(home)
  return {
    keepers,
    below,
    strays: all
      .filter(
        (found) =>
          isOurs(found) &&
          found.pid !== pid &&
          found.parent !== pid &&
          found.pid !== process.pid &&
          !known.has(living(found)),
      )
      .filter(({ command }) => basename(command[0] ?? '') !== 'postgres')
      // It goes on for the sandboxes that do.
      .filter(({ command }, at, all) => !isGateway(command) || all.findIndex((other) => isGateway(other.command)) < at)
      .map(({ pid, command }) => `${pid}: ${command.join(' ').slice(0, 200)}`),
    groups: groupsOf(home),
    loops: [...devices.values()],
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(home) || devices.has(/ - \S+ (\/dev\/loop\d+) /.exec(line)?.[1] ?? '')),
    folders: readdirSync(`${home}/run`),
    snapshots: list(`${home}/snapshots`),
    slots: slotsOf(home, all),
    files: globSync(['*', '*/*'], { cwd: home }).filter((path) => !/^(run|postgres|snapshots)\//.test(path)),
    drafts: globSync('{.,images,run/*,postgres,snapshots}/*.{draft,partial,tmp,stale,unfinished,copy}', { cwd: home }),
  }
}

function isGateway(command: string[]): boolean {
  return command.some((part) => part.endsWith('/network/gateway/main.ts'))
}

function keptBy(command: string[], home: string): string | undefined {
  const folder = command[command.indexOf('keep') + 2] ?? ''
  return command[1] === 'keep' && folder.startsWith(`${home}/run/`) ? basename(folder) : undefined
}

function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const stat = pid > 0 ? processStat(pid) : undefined
    if (!stat) return []
    return [{ pid, parent: stat.parent, startTime: stat.startTime, command: read(`/proc/${pid}/cmdline`).split('\0') }]
  })
}

function withDescendants(roots: number[], children: Map<number, Process[]>, all: Process[]): Living[] {
  const found = all.filter(({ pid }) => roots.includes(pid))
  for (const { pid } of found) found.push(...(children.get(pid) ?? []))
  return found.map(living)
}

function living({ pid, startTime }: Process): Living {
  return `${pid} ${startTime}`
}

/** What the platform of a home calls its own on this host. */
function nameOf(home: string): string {
  return `warren-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`
}

function slotsOf(home: string, all: Process[]): Map<number, number[]> {
  const prefix = `${nameOf(home)}-`
  const names = list('/run/netns').filter((name) => name.startsWith(prefix))
  const byNamespace = new Map<number, number[]>()
  if (names.length > 0)
    for (const { pid } of all) {
      const inode = Number(/\d+/.exec(link(`/proc/${pid}/ns/net`))?.[0])
      byNamespace.set(inode, [...(byNamespace.get(inode) ?? []), pid])
    }
  return new Map(
    names.map((name) => {
      const inode = statSync(`/run/netns/${name}`, { throwIfNoEntry: false })?.ino ?? 0
      return [Number(name.slice(prefix.length)), byNamespace.get(inode) ?? []]
    }),
  )
}

/** One parent for each home, in every hierarchy that the host has. */
function groupsOf(home: string): Map<string, number[]> {
  const parent = nameOf(home)
  const found = new Map<string, number[]>()
  for (const hierarchy of ['.', ...list('/sys/fs/cgroup')]) {
    const folder = `/sys/fs/cgroup/${hierarchy}/${parent}`
    for (const id of list(folder).filter((name) => list(`${folder}/${name}`).length > 0)) {
      const pids = read(`${folder}/${id}/cgroup.procs`).split('\n').filter(Boolean).map(Number)
      found.set(id, [...(found.get(id) ?? []), ...pids])
    }
  }
  return found
}

/** Instances by the device that has their disk. */
function loopDevices(home: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of list('/sys/block').filter((device) => device.startsWith('loop'))) {
    const image = read(`/sys/block/${name}/loop/backing_file`).trim()
    if (image.startsWith(`${home}/`)) found.set(`/dev/${name}`, image.slice(`${home}/run/`.length).split('/')[0]!)
  }
  return found
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // no folder, or gone in the meantime
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // gone in the meantime
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
