import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '../measure/client.ts'
import type { Platform } from '../measure/platform.ts'
import { availableBytes, type Memory, memoryOf, processes, withDescendants } from '../measure/process-memory.ts'

export interface Density {
  wanted: number
  /** How many could be started and still answered when all were there. */
  alive: number
  failure?: string
  /** Keeper, runtime and guest of one idle sandbox. */
  perSandbox: { processes: number; privateBytes: number; pssBytes: number }
  /** By how much the platform and its database grew, per sandbox. */
  platformGrowthBytes: number
  /** By how much the available memory of the machine shrank, per sandbox; with the kernel's own. */
  machineBytes: number
  /** How many more would fit into what is available now. */
  roomFor: number
  target: { privateBytesAtMost: number; met: boolean }
}

/** The promise: own overhead of an idle sandbox, what the platform keeps for it included. */
const overheadAtMost = 3 * 1024 * 1024

/** Fills the machine with idle sandboxes and weighs them. */
export async function density(
  platform: Platform & { own: { pid: number; home: string } },
  wanted: number,
  input: object,
): Promise<Density> {
  const before = {
    available: availableBytes(),
    platform: platformMemory(platform.own),
    keepers: sandboxMemory(platform.own.home).count,
  }
  const ids: string[] = []
  let failure: string | undefined
  const clients = await Promise.all(Array.from({ length: 4 }, () => Client.open(platform)))
  await Promise.all(
    clients.map(async (client) => {
      while (ids.length < wanted && failure === undefined) {
        const place = ids.push('') - 1
        try {
          ids[place] = (await client.create({ ...input, timeout: 3600 })).id
        } catch (error) {
          failure = (error as Error).message
        }
      }
    }),
  )
  const started = ids.filter(Boolean)
  const [client] = clients
  let alive = 0
  for (const id of started)
    await client!.echo(id).then(
      () => alive++,
      (error) => (failure ??= error.message),
    )
  await sleep(3000)

  const { count, memory } = sandboxMemory(platform.own.home)
  const after = { available: availableBytes(), platform: platformMemory(platform.own) }
  await Promise.all(
    clients.map(async (each, index) => {
      for (let at = index; at < started.length; at += clients.length) await each.remove(started[at]!)
    }),
  )
  for (const each of clients) each.close()

  const added = Math.max(1, count - before.keepers)
  const perSandbox = {
    processes: memory.processes / count,
    privateBytes: Math.round(memory.privateBytes / count),
    pssBytes: Math.round(memory.pssBytes / count),
  }
  const platformGrowthBytes = Math.round(
    Math.max(0, after.platform.privateBytes - before.platform.privateBytes) / added,
  )
  // With few sandboxes what else the machine does is louder than they are; less than their own they cannot take.
  const own = perSandbox.pssBytes + platformGrowthBytes
  const machineBytes = Math.max(own, Math.round((before.available - after.available) / added))
  return {
    wanted,
    alive,
    ...(failure && { failure }),
    perSandbox,
    platformGrowthBytes,
    machineBytes,
    roomFor: Math.floor(after.available / machineBytes),
    target: {
      privateBytesAtMost: overheadAtMost,
      met: perSandbox.privateBytes + platformGrowthBytes <= overheadAtMost,
    },
  }
}

/** The platform's process and its database, idle. */
export function platformMemory({ pid, home }: { pid: number; home: string }): Memory {
  const all = processes()
  const database = all.filter(({ cwd, command }) => cwd.startsWith(`${home}/`) && /postgres/.test(command))
  return memoryOf([
    pid,
    ...withDescendants(
      database.map((entry) => entry.pid),
      all,
    ),
  ])
}

/** All sandboxes below `home`: a keeper each, with what it keeps. */
function sandboxMemory(home: string): { count: number; memory: Memory } {
  const all = processes()
  const keepers = all
    .filter(({ command }) => command.includes(' keep ') && command.includes(`${home}/`))
    .map(({ pid }) => pid)
  return { count: keepers.length, memory: memoryOf(withDescendants(keepers, all)) }
}
