import { setTimeout as sleep } from 'node:timers/promises'
import { Recorder, type Series } from '../measure/series.ts'
import type { E2bDeps } from './client-of.ts'

/** So that the pool is full again. */
const pauseMs = { 'oci/runsc': 2500 } as Record<string, number>

/** `Sandbox.create()` and the first `commands.run` after it, while sandboxes are ready. */
export async function measureCreate({ create, driver, quick }: E2bDeps): Promise<Series[]> {
  const [both, created] = [new Recorder(), new Recorder()]
  for (let index = 0; index < (quick ? 5 : 60); index++) {
    await sleep(pauseMs[driver] ?? 300)
    const startedAt = performance.now()
    const sandbox = await create()
    const createdMs = performance.now() - startedAt
    const { stdout } = await sandbox.commands.run('echo hello')
    // The first of all loads the client and opens its connections.
    if (stdout === 'hello\n' && index > 0) {
      both.add(performance.now() - startedAt)
      created.add(createdMs)
    } else if (index > 0) both.fail(new Error(`echo answered ${stdout}`))
    await sandbox.kill()
  }
  return [
    both.series(`E2B create and first command, warm, ${driver}`, { targets: [{ percentile: 'p50', atMost: 40 }] }),
    created.series(`of it the create, ${driver}`),
  ]
}
