import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Recorder, type Series } from '../measure/series.ts'
import type { Measurement } from './measurement.ts'

/** Size of a disk that no pool holds, MiB. */
const lately = 600
const fetched = fileURLToPath(new URL('../../.cache/tools/runsc', import.meta.url))

/**
 * A cold gVisor sandbox of ours to its first output, and bare `runsc run` of `echo` to its end, in turns. As in the bench of
 * sandboxes, one of a kind that was asked for lately, which no pool holds, and beside it the first of a kind.
 */
export const measureColdGvisor: Measurement = async ({ client, quick, runtimes }) => {
  const runtime = runtimes.find(({ driver }) => driver === 'oci/runsc')
  if (!runtime?.healthy) return { series: [], skipped: [`cold gVisor: ${runtime?.reason ?? 'no such runtime'}`] }
  const runsc = existsSync(fetched) ? fetched : 'runsc'
  const bundle = mkdtempSync(join(tmpdir(), 'warren-bench-runsc-'))
  const cold = new Recorder()
  const first = new Recorder()
  const bare = new Recorder()
  const start = async (recorder: Recorder, diskMb: number) => {
    const input = { isolation: { driver: runtime.driver }, limits: { diskMb } }
    const created = await recorder.time(async () => {
      const sandbox = await client.create(input)
      await client.echo(sandbox.id)
      return sandbox
    })
    if (created) await client.remove(created.id)
    // The next one of the kind is prepared now.
    await sleep(500)
  }
  try {
    writeBundle(bundle)
    await start(new Recorder(), lately)
    for (let round = 0; round < (quick ? 3 : 12); round++) {
      await bare.time(() => runOnce(runsc, bundle, `bench-${process.pid}-${round}`))
      await start(cold, lately)
      await start(first, lately + 1 + round)
    }
  } finally {
    rmSync(bundle, { recursive: true, force: true })
  }
  const reference: Series = bare.series('reference: bare runsc run of echo')
  const targets = [{ percentile: 'p50' as const, atMost: 1.5 * reference.p50 }]
  const series = [
    reference,
    cold.series('cold gVisor to first output', { targets }),
    first.series('gVisor, the first of its kind'),
  ]
  return { series, skipped: [] }
}

function writeBundle(bundle: string): void {
  mkdirSync(join(bundle, 'rootfs'))
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(bundle, 'rootfs', name))
  const config = {
    ociVersion: '1.0.2',
    root: { path: 'rootfs' },
    process: { terminal: false, user: { uid: 0, gid: 0 }, args: ['/usr/bin/echo', 'hello'], env: [], cwd: '/' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/usr', type: 'bind', source: '/usr', options: ['bind', 'ro'] },
    ],
    linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
  }
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
}

async function runOnce(runsc: string, bundle: string, id: string): Promise<void> {
  const options = ['--root', join(bundle, 'state'), '--platform', 'systrap', '--network', 'none', '--ignore-cgroups']
  const child = spawn(runsc, [...options, 'run', '--bundle', bundle, id], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = Promise.all([child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray())))
  const [code] = await once(child, 'close')
  const [output, failure] = await said
  if (code !== 0 || output!.toString() !== 'hello\n')
    throw new Error(`runsc ended with ${code}: ${failure!.toString().slice(-300)}`)
}
