import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Limits } from '@warren/sdk'
import { probing } from '../attempts.ts'
import type { Case, Finding, NotApplicable } from '../case.ts'
import type { Cell } from '../cell.ts'
import type { Place } from '../place.ts'
import { tracesOf } from '../traces.ts'

type SoftLimit = 'cpuCores' | 'memoryMb' | 'maxProcesses'

/** More than any attempt takes. */
const wide: Partial<Limits> = { cpuCores: 2, memoryMb: 1024, maxProcesses: 2000, maxOpenFiles: 4096, diskMb: 1024 }
const megabyte = 1_000_000

/** What a sandbox may use, and no more. The control is the same attempt below a limit that lets it through. */
export const resources: Case[] = [
  over('resources.processes', ['fork', '200'], { maxProcesses: 64 }, 'maxProcesses'),
  over('resources.threads', ['threads', '200'], { maxProcesses: 64 }, 'maxProcesses'),
  over('resources.memory', ['memory', '192'], { memoryMb: 96 }, 'memoryMb'),
  over('resources.locked_memory', ['lock-memory', '192'], { memoryMb: 96 }, 'memoryMb'),
  over('resources.open_files', ['files', '300'], { maxOpenFiles: 128 }),
  over('resources.disk', (cell) => ['fill', `${cell.scratch}/big`, '96'], { diskMb: 48 }),
  over('resources.disk_in_memory', (cell) => ['fill', `${isControl(cell) ? cell.scratch : '/dev/shm'}/big`, '200'], {
    memoryMb: 160,
  }),
  probing('resources.core_dump', (_world, _place, scratch) => ['dump-core', scratch], {
    absent: ['no core was written'],
    // Root of such a one may raise the limit; what is written lies on its own disk.
    ownKernel: true,
  }),
  {
    id: 'resources.file_names',
    run: (place, { root }) =>
      place.withFresh(place.isControl ? wide : { diskMb: 16 }, async (cell) => {
        if (!root && cell.sandbox.info.runtime?.disk === 'tmpfs')
          return { notApplicable: 'an ordinary user can limit the size of a disk only, as the threat model says' }
        return cell.probe(['fill-names', cell.scratch, '18000'])
      }),
  },
  {
    id: 'resources.processor',
    // By the host's account: a kernel of its own counts otherwise.
    run: (place) =>
      place.withFresh({ cpuCores: place.isControl ? 2 : 0.1 }, async (cell) => {
        const unkept = notKept(cell, 'cpuCores')
        if (unkept) return unkept
        const [before, startedAt] = [(await cell.sandbox.metrics()).cpuUsec, performance.now()]
        await cell.probe(['spin', '8', '1500', '0'], [cell.users[0]!])
        const used = (await cell.sandbox.metrics()).cpuUsec! - before!
        const percent = Math.round(used / 10 / (performance.now() - startedAt))
        return { open: percent > 16, saw: `${percent} % of a processor` }
      }),
  },
  {
    id: 'resources.dead_children',
    // Orphans that nobody collects fill the table of processes.
    run: (place) =>
      place.withFresh({ maxProcesses: 64 }, async (cell) => {
        await cell.probe(['dead-children', '500'], [cell.users[0]!])
        const alive = await cell.sh('echo alive')
        return { open: !alive.includes('alive'), saw: 'all 500 were collected' }
      }),
    // Outside, nothing keeps it from leaving as many.
    control: ({ onHost }) => onHost(['dead-children', '500']),
  },
  {
    id: 'resources.deep_folders',
    // Deeper than a path can say: whoever clears up must come down to them nevertheless.
    run: async (place, world) => {
      const instance = await place.withFresh({}, async (cell) => {
        const { open, saw } = await cell.probe(['deep', cell.scratch, '300'], [cell.users.at(-1)!])
        if (!open) throw new Error(`the folders could not be made: ${saw}`)
        return (await cell.sandbox.posture()).instance
      })
      const left = tracesOf(instance, world)
      return { open: left.length > 0, saw: left.join(', ') || 'nothing is left of it' }
    },
    control: async ({ control }) => {
      const cell = await control.main()
      const finding = await cell.probe(['deep', cell.scratch, '300'])
      await cell.sh(`rm -rf ${cell.scratch}/dddd*`)
      return finding
    },
  },
  {
    id: 'resources.output',
    run: async (place) => {
      const { stdout } = await (await place.main()).sandbox.exec(flood, { timeout: 20 * place.patience })
      return { open: stdout.length > 10 * megabyte, saw: `${(stdout.length / megabyte).toFixed(1)} MB were kept` }
    },
    control: () =>
      new Promise((resolve, reject) =>
        execFile('sh', ['-c', flood], { maxBuffer: 100 * megabyte }, (error, stdout) =>
          error ? reject(error) : resolve({ open: stdout.length > 10 * megabyte, saw: 'all of it was kept' }),
        ),
      ),
  },
  {
    id: 'resources.log',
    run: async (place) => {
      const cell = await place.main()
      await cell.sandbox.exec(`head -c ${3 * megabyte} /dev/zero | tr '\\0' x`, { timeout: 20 * place.patience })
      const bytes = (await cell.sandbox.logs()).reduce((sum, { text }) => sum + text.length, 0)
      return { open: bytes > megabyte, saw: `${Math.round(bytes / 1000)} kB were kept` }
    },
    control: () =>
      new Promise((resolve, reject) =>
        execFile('sh', ['-c', flood], { maxBuffer: 100 * megabyte }, (error, stdout) =>
          error ? reject(error) : resolve({ open: stdout.length > megabyte, saw: 'all of it was kept' }),
        ),
      ),
  },
]

const flood = `head -c ${20 * megabyte} /dev/zero | tr '\\0' x`

/** Takes more than the limit allows. Being ended for it is being stopped too. */
function over(
  id: string,
  words: string[] | ((cell: Cell) => string[]),
  limits: Partial<Limits>,
  limit?: SoftLimit,
): Case {
  return {
    id,
    run: (place) => place.withFresh(place.isControl ? wide : limits, (cell) => takeAll(place, cell, words, limit)),
  }
}

async function takeAll(
  place: Place,
  cell: Cell,
  words: string[] | ((cell: Cell) => string[]),
  limit: SoftLimit | undefined,
): Promise<Finding | NotApplicable> {
  const unkept = limit && notKept(cell, limit)
  if (unkept) return unkept
  try {
    return await cell.probe(typeof words === 'function' ? words(cell) : words)
  } catch (error) {
    for (let tries = 0; tries < 50; tries++) {
      const { state, endReason } = await cell.sandbox.refresh()
      if (state === 'failed' && !place.isControl) return { open: false, saw: `the sandbox was ended: ${endReason}` }
      await sleep(100)
    }
    throw error
  }
}

function notKept({ sandbox }: Cell, limit: SoftLimit): NotApplicable | undefined {
  if (!sandbox.info.runtime?.unenforced.includes(limit)) return undefined
  return { notApplicable: `this host lets nobody keep ${limit}, and the answer to each create says so` }
}

function isControl({ sandbox }: Cell): boolean {
  return sandbox.info.runtime?.isolation === 'none'
}
