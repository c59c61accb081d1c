import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from './world.ts'

/** What there is on the host of an instance: processes that name it, its folder, its control groups. */
export function tracesOf(instance: string, { home }: Pick<World, 'home'>): string[] {
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(instance))
  const folder = join(home, 'run', instance)
  return [
    ...processes.map((pid) => `process ${pid}`),
    ...(existsSync(folder) ? [folder] : []),
    ...globSync(`/sys/fs/cgroup/{*/,}warren-*/${instance}`),
  ]
}

export function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it has ended
  }
}
