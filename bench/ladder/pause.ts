import { Recorder } from '../measure/series.ts'
import { type Measurement, withMemory } from './measurement.ts'

/** A process that holds 64 MiB it has written to. */
const holder = `python3 -c "import os, time; held = os.urandom(64 << 20); open('/tmp/ready', 'w').close(); time.sleep(3600)"`

/** Pause and resume of a sandbox with 64 MiB in use; resume includes the first output afterwards. */
export const measurePause: Measurement = async (deps) => {
  const runtime = withMemory(deps)
  if (typeof runtime === 'string') return { series: [], skipped: [`pause and resume: ${runtime}`] }
  const { client, quick } = deps
  const { id } = await client.create({ isolation: { driver: runtime.driver }, limits: { memoryMb: 512 } })
  const pause = new Recorder()
  const resume = new Recorder()
  try {
    await client.start(id, holder)
    await client.execute(id, 'while [ ! -e /tmp/ready ]; do sleep 0.05; done')
    for (let round = 0; round < (quick ? 3 : 12); round++) {
      await pause.time(() => client.act(id, 'pause'))
      await resume.time(async () => {
        await client.act(id, 'resume')
        await client.echo(id)
      })
    }
  } finally {
    await client.remove(id)
  }
  return {
    series: [
      pause.series('pause, 64 MiB in use', { targets: [{ percentile: 'p50', atMost: 300 }], note: runtime.driver }),
      resume.series('resume to first output, 64 MiB in use', {
        targets: [{ percentile: 'p50', atMost: 250 }],
        note: runtime.driver,
      }),
    ],
    skipped: [],
  }
}
