import { Recorder } from '../measure/series.ts'
import { type Measurement, withMemory } from './measurement.ts'

const program = `OPENBLAS_NUM_THREADS=1 python3 -c "
import numpy, pandas, time
frame = pandas.DataFrame(numpy.arange(1000).reshape(100, 10))
open('/tmp/ready', 'w').close()
while True: frame.sum(); time.sleep(0.05)"`

/** Live copies of a Python that has numpy and pandas loaded, to the answer that all of them run. */
export const measureFork: Measurement = async (deps) => {
  const runtime = withMemory(deps)
  if (typeof runtime === 'string') return { series: [], skipped: [`fork: ${runtime}`] }
  const { client, quick } = deps
  const { id } = await client.create({ isolation: { driver: runtime.driver }, limits: { memoryMb: 512 } })
  try {
    const missing = await client.execute(id, 'python3 -c "import numpy, pandas" 2>&1 || true')
    if (missing)
      return { series: [], skipped: [`fork: ${missing.trim().split('\n').at(-1)} (apt-get install python3-pandas)`] }
    await client.start(id, program)
    await client.execute(id, 'while [ ! -e /tmp/ready ]; do sleep 0.05; done')
    const series = []
    for (const { count, atMost, rounds } of [
      { count: 1, atMost: 250, rounds: quick ? 3 : 12 },
      { count: 8, atMost: 1000, rounds: quick ? 1 : 5 },
    ]) {
      const recorder = new Recorder()
      for (let round = 0; round < rounds; round++) {
        const copies = await recorder.time(() => client.fork(id, count))
        for (const copy of copies ?? []) await client.remove(copy.id)
      }
      series.push(
        recorder.series(`fork of a live numpy and pandas Python, copies: ${count}`, {
          targets: [{ percentile: 'p50', atMost }],
          note: runtime.driver,
        }),
      )
    }
    return { series, skipped: [] }
  } finally {
    await client.remove(id)
  }
}
