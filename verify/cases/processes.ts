import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { probing } from '../attempts.ts'
import type { Case, Finding } from '../case.ts'
import type { Cell } from '../cell.ts'
import { guestBinary } from '../place.ts'
import { tracesOf } from '../traces.ts'
import type { World } from '../world.ts'

const [sigkill, sigstop] = [9, 19]
/** What has not answered by then does not, milliseconds. */
const patienceMs = 3000

/** Where an agent listens that could not inherit its socket. */
const agentSocket = '/.warren/agent.sock'

const onVictim = (verb: string) => (world: World) => [verb, String(world.process.pid), world.process.mark]

/** Processes of the host, and the agent that the platform talks to. */
export const processes: Case[] = [
  probing('processes.host_process_seen', ({ process }) => ['find', process.mark]),
  probing('processes.host_environment_seen', ({ token }) => ['environment', token]),
  probing('processes.host_process_signalled', onVictim('signal')),
  probing('processes.host_process_traced', onVictim('trace')),
  probing('processes.host_process_limited', onVictim('lower-limit')),
  probing('processes.host_process_memory', ({ process }) => ['write', `/proc/${process.pid}/mem`]),
  // Programs of the agent's user may reach into it under a kernel of their own; what it says is never trusted.
  probing('processes.agent_memory', ['write', '/proc/1/mem'], {
    ownKernel: true,
    control: ({ onHost, process }) => onHost(['write', `/proc/${process.pid}/mem`]),
  }),
  probing('processes.agent_environment', ['read', '/proc/1/environ'], {
    ownKernel: true,
    control: ({ onHost, process }) => onHost(['read', `/proc/${process.pid}/environ`]),
  }),
  // It starts programs as whoever it is told, so whoever reaches it is root. Root itself may.
  probing('processes.agent_asked', ['ask-agent', agentSocket], { users: ['user'], control: askOpenAgent }),
  probing('processes.typed_into_terminal', ['type-into-terminal'], { absent: ['EIO'], ownKernel: true }),
  {
    id: 'processes.kill_everything',
    run: (place, world) =>
      place.withFresh({}, async (cell) => {
        await attemptQuietly(cell, ['kill-all', world.hostPidNamespace])
        const neighbour = await (await place.neighbour()).sh('echo alive')
        return harmTo(world, neighbour.includes('alive') ? undefined : 'the sandbox beside it')
      }),
    control: (world) => world.onHost(['kill-all', world.hostPidNamespace], { before: inOwnPidNamespace }),
  },
  endsAgent('processes.agent_killed', sigkill),
  endsAgent('processes.agent_stopped', sigstop),
  {
    id: 'processes.left_behind',
    run: async (place, world) => {
      const instance = await place.withFresh({}, async ({ sandbox }) => {
        await sandbox.spawn('sleep 3600 & sleep 3600')
        return (await sandbox.posture()).instance
      })
      const left = tracesOf(instance, world)
      return { open: left.length > 0, saw: left.join(', ') || 'no process, folder or control group is left' }
    },
    // The same look while it lives.
    control: async (world) => {
      const left = tracesOf((await world.control.posture()).instance, world)
      return { open: left.length > 0, saw: `while it lives: ${left.length} traces` }
    },
  },
]

/** A namespace in which nothing lives but the attempt: SIGKILL to all that it sees ends nobody else. */
const inOwnPidNamespace = [
  ...['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
  ...['sh', '-c', 'sleep 20 & "$@"', 'sh'],
]

/** An agent of the host's, at whose door nobody is turned away. */
async function askOpenAgent({ onHost, folder }: World): Promise<Finding> {
  const path = `${folder}/agent.sock`
  const agent = spawn(guestBinary, ['agent', '--listen', path], { stdio: 'ignore' })
  try {
    for (let tries = 0; !existsSync(path) && tries < 100; tries++) await sleep(50)
    await chmod(path, 0o777)
    return await onHost(['ask-agent', path])
  } finally {
    agent.kill('SIGKILL')
  }
}

/** Root inside may end or stop its own agent. The platform must notice, and the host and others must not. */
function endsAgent(id: string, signal: number): Case {
  return {
    id,
    run: (place, world) =>
      place.withFresh({}, async (cell) => {
        await attemptQuietly(cell, ['signal-agent', String(signal), world.hostPidNamespace])
        const ended = await endedOrAnswers(cell)
        // One that only stands still is ended after some minutes; until then its owner must be able to.
        if (ended === 'neither') await cell.sandbox.kill()
        const neighbour = await (await place.neighbour()).sh('echo alive')
        const harm = harmTo(world, neighbour.includes('alive') ? undefined : 'the sandbox beside it')
        if (signal === sigkill && ended === 'neither') return { open: true, saw: 'killed, and told as running' }
        return harm.open ? harm : { open: false, saw: outcomes[ended] }
      }),
    // Where nothing isolates, signals reach whatever there is.
    control: async ({ onHost, process }) => onHost(['signal', String(process.pid), process.mark]),
  }
}

const outcomes = {
  answers: 'the agent was not reached',
  failed: 'told as failed, and nobody else is harmed',
  neither: 'it stands still, its owner can end it, and nobody else is harmed',
}

async function attemptQuietly(cell: Cell, words: string[]): Promise<void> {
  for (const user of cell.users) {
    const attempt = cell.probeAs(user, words).catch(() => {}) // an agent that is gone does not answer
    await Promise.race([attempt, sleep(patienceMs * cell.patience)])
  }
}

async function endedOrAnswers({ sandbox, patience }: Cell): Promise<keyof typeof outcomes> {
  for (let tries = 0; tries < 3; tries++) {
    const signal = AbortSignal.timeout(patienceMs * patience)
    const answer = await sandbox.exec(['true'], { signal }).catch(() => undefined)
    if (answer) return 'answers'
    const { state } = await sandbox.refresh()
    if (state === 'failed') return 'failed'
    await sleep(500)
  }
  return 'neither'
}

function harmTo({ process: { pid } }: World, other: string | undefined): Finding {
  const victim = isAlive(pid) ? undefined : 'a process of the host'
  const harmed = [victim, other].filter(Boolean).join(' and ')
  return { open: harmed !== '', saw: harmed ? `ended ${harmed}` : 'only its own processes ended' }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
