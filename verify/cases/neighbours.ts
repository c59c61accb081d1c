import type { Case, Finding } from '../case.ts'
import type { Cell } from '../cell.ts'
import type { World } from '../world.ts'

const seconds = '120'

/** What one sandbox has, attempted from the one beside it. */
export const neighbours: Case[] = [
  between('neighbours.port_on_loopback', (mark) => ({
    hold: ['listen', String(mark.port), mark.text, seconds],
    find: ['connect', '127.0.0.1', String(mark.port), mark.text],
  })),
  between('neighbours.abstract_socket', ({ text }) => ({
    hold: ['listen-unix', `@${text}`, text, seconds],
    find: ['connect-unix', `@${text}`, text],
  })),
  between('neighbours.shared_memory', ({ number }) => ({
    hold: ['shm-hold', String(number), seconds],
    find: ['shm-find', String(number)],
  })),
  {
    id: 'neighbours.message_queue',
    run: async (place, world) => {
      const [own, other] = await Promise.all([place.main(), place.neighbour()])
      const { text } = markOf(world)
      // The kernel counts the queues of all that root has started together: there may be none left for one of them, or both.
      for (const [holder, finder] of [
        [other, own],
        [own, other],
      ] as const) {
        const process = await holder.holds(['queue-hold', text, seconds]).catch(() => undefined)
        if (process) return finder.probe(['queue-find', text]).finally(() => process.kill())
      }
      return {
        notApplicable: 'no program of this host gets a message queue any more (RLIMIT_MSGQUEUE of root is used up)',
      }
    },
  },
  between('neighbours.process', ({ text, port }) => ({
    hold: ['listen', String(port + 1), text, seconds],
    find: ['find', text],
  })),
  withFile('neighbours.temporary_file', '/tmp'),
  withFile('neighbours.file_in_memory', '/dev/shm'),
  withFile('neighbours.home_file', '/var/tmp'),
  {
    id: 'neighbours.same_host_user',
    run: async (place, { root }) => {
      if (!root) return { notApplicable: 'an ordinary user has one number to give, as the threat model says' }
      const [own, other] = await Promise.all([place.main(), place.neighbour()])
      const users = await Promise.all([own, other].map(async ({ sandbox }) => hostUsers(await sandbox.posture())))
      const shared = users[0]!.filter((user) => users[1]!.includes(user))
      return { open: shared.length > 0, saw: shared.length > 0 ? `both are ${shared}` : 'no number in common' }
    },
  },
  {
    id: 'neighbours.address',
    run: async (place, { token }) => {
      const [own, other] = await Promise.all([place.main(), place.neighbour()])
      const addresses = (await other.sh('cat /proc/net/fib_trie 2>/dev/null')).match(
        /\d+\.\d+\.\d+\.\d+(?=\n +\/32 host LOCAL)/g,
      )
      const outer = (addresses ?? []).filter((address) => !address.startsWith('127.') && !place.isControl)
      const target = place.isControl ? '127.0.0.1' : outer[0]
      if (!target) return { open: false, saw: 'it has no address but loopback' }
      const process = await other.holds(['listen', '7317', token, '60'])
      try {
        return await own.probe(['connect', target, '7317', token])
      } finally {
        await process.kill()
      }
    },
  },
]

interface Mark {
  text: string
  number: number
  port: number
}

type Attempt = (mark: Mark) => { hold: string[]; find: string[] }

/** One sandbox holds something, the other looks for it. */
function between(id: string, words: Attempt): Case {
  return {
    id,
    run: async (place, world) => {
      const [own, other] = await Promise.all([place.main(), place.neighbour()])
      const { hold, find } = words(markOf(world))
      const process = await other.holds(hold)
      try {
        return await own.probe(find)
      } finally {
        await process.kill()
      }
    },
  }
}

function withFile(id: string, folder: string): Case {
  return {
    id,
    run: async (place, world) => {
      const [own, other] = await Promise.all([place.main(), place.neighbour()])
      const path = `${folder}/${markOf(world).text}-${place.driver.replace('/', '-')}`
      await other.sh(`echo ${world.token} > ${path} && chmod 644 ${path}`)
      return readAndRemove(own, other, path, world.token)
    },
  }
}

async function readAndRemove(own: Cell, other: Cell, path: string, token: string): Promise<Finding> {
  try {
    if (!(await other.sh(`cat ${path}`)).includes(token)) throw new Error(`${path} could not be written`)
    return await own.probe(['read', path, token])
  } finally {
    await other.sh(`rm -f ${path}`)
  }
}

/** Another for each battery: two may run beside each other. */
function markOf({ process }: World): Mark {
  return {
    text: process.mark.replace('verify', 'neighbour'),
    number: 0x57a0000 + process.pid,
    port: 20_000 + (process.pid % 20_000),
  }
}

function hostUsers({ checks }: { checks: { name: string; outside?: string }[] }): string[] {
  return checks.find(({ name }) => name === 'user_ids')?.outside?.split(' ') ?? []
}
