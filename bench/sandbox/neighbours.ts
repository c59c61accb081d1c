import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '../measure/client.ts'
import type { Platform } from '../measure/platform.ts'
import { Recorder, type Series } from '../measure/series.ts'

/** Attacks that go on until their sandbox is removed. */
const attacks = {
  'fork bomb': 'bomb() { bomb | bomb & }; bomb; sleep 1000',
  // tail keeps the last line, and /dev/zero has only one.
  'memory bomb': 'while :; do tail /dev/zero; done',
  'disk fill': 'while :; do dd if=/dev/zero of=/home/user/fill bs=1M 2>/dev/null; rm -f /home/user/fill; done',
  'ten thousand files':
    'while :; do mkdir many; i=0; while [ $i -lt 10000 ]; do : > many/$i; i=$((i+1)); done; rm -rf many; done',
  // Everything inside but the agent and the shell that says so.
  'kill -9 -1': 'while :; do kill -9 -1; sleep 0.1; done',
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
      try {
        await client.start(attacker.id, command)
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

async function measure(client: Client, id: string, seconds: number): Promise<Recorder> {
  const recorder = new Recorder()
  for (const until = performance.now() + seconds * 1000; performance.now() < until; ) {
    await recorder.time(() => client.echo(id))
    // A caller with pauses, so that the measuring itself is not the load.
    await sleep(2)
  }
  return recorder
}
