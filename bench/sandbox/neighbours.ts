import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '../measure/client.ts'
import type { Platform } from '../measure/platform.ts'
import { Recorder, type Series } from '../measure/series.ts'

/** How soon what has ended is started again, milliseconds. */
const againMs = 100

/** Attacks that go on until their sandbox is removed, each for as long as it lasts and then anew. */
const attacks = {
  'fork bomb': 'bomb() { bomb | bomb & }; bomb; sleep 1000',
  // tail keeps the last line, and /dev/zero has only one.
  'memory bomb': 'while :; do tail /dev/zero; done',
  'disk fill': 'while :; do dd if=/dev/zero of=/home/user/fill bs=1M 2>/dev/null; rm -f /home/user/fill; done',
  'ten thousand files':
    'while :; do mkdir many; i=0; while [ $i -lt 10000 ]; do : > many/$i; i=$((i+1)); done; rm -rf many; done',
  // Ends everything inside but the agent: the shell too, which is started again.
  'kill -9 -1': 'kill -9 -1',
}

/** `exec` in one sandbox, while nothing else happens and while another sandbox misbehaves. */
export async function neighbours(platform: Platform, plan: { seconds: number; input: object }): Promise<Series[]> {
  const client = await Client.open(platform)
  const { id } = await client.create(plan.input)
  try {
    await measure(client, id, 1)
    const quiet = (await measure(client, id, plan.seconds)).series('neighbour: exec, quiet')
    const found = [quiet]
    for (const [name, command] of Object.entries(attacks)) {
      const attacker = await client.create(plan.input)
      const again = repeat(platform, attacker.id, command)
      try {
        await sleep(300)
        const recorder = await measure(client, id, plan.seconds)
        const { state, endReason } = await client
          .get(attacker.id)
          .catch(() => ({ state: 'gone', endReason: undefined }))
        const note = `attacker afterwards: ${state}${endReason ? `, ${endReason}` : ''}`
        found.push(
          recorder.series(`neighbour: exec, ${name}`, {
            note,
            targets: [{ percentile: 'p99', atMost: 2 * quiet.p99 }],
          }),
        )
      } finally {
        await again.stop()
        await client.remove(attacker.id)
      }
      await sleep(1000)
    }
    return found
  } finally {
    await client.remove(id)
    client.close()
  }
}

/** Runs `command` there, and again whenever it has ended, until told to stop or the sandbox is gone. */
function repeat(platform: Platform, id: string, command: string): { stop: () => Promise<void> } {
  let isOver = false
  const running = Client.open(platform).then(async (client) => {
    while (!isOver) {
      await client.start(id, command).catch(() => {})
      await sleep(againMs)
    }
    client.close()
  })
  return {
    stop: () => {
      isOver = true
      return running
    },
  }
}

async function measure(client: Client, id: string, seconds: number): Promise<Recorder> {
  const recorder = new Recorder()
  for (const until = performance.now() + seconds * 1000; performance.now() < until; ) {
    await recorder.time(() => client.echo(id))
    // A caller with pauses, so that the measuring itself is not the load.
    await sleep(2)
  }
  return recorder
}
