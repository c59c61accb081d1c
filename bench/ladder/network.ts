import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gatewayUid } from '../../platform/src/engine/host/host.ts'
import { hostGround } from '../../platform/src/engine/network/ground.ts'
import { Network } from '../../platform/src/engine/network/network.ts'
import type { NetworkPolicy } from '../../platform/src/engine/network/rules.ts'
import { mintAuthority } from '../../platform/src/lib/certificate.ts'
import { Recorder, type Series } from '../measure/series.ts'
import type { Measurement } from './measurement.ts'

const guestBinary = fileURLToPath(new URL('../../guest/target/release/warren-guest', import.meta.url))

/** How long a sandbox waits for its network, and a change of policy until it holds: by the engine, without HTTP and database. */
export const measureNetwork: Measurement = async ({ quick }) => {
  if (process.getuid?.() !== 0) return { series: [], skipped: ['network: only root can give sandboxes a network'] }
  const times = quick ? 10 : 100
  const folder = await mkdtemp(join(tmpdir(), 'warren-bench-'))
  const network = await Network.open({
    ground: hostGround,
    name: `warren-bench${process.pid}`,
    settings: { opened: [], resolvers: [], authority: mintAuthority('bench', { now: new Date() }), authorities: '' },
    gateway: { guestBinary, folder, socketDir: folder, uplinkPath: undefined, uid: gatewayUid },
    taken: [],
    log: { warn: (details, message) => process.stderr.write(`bench: ${message} ${JSON.stringify(details)}\n`) },
  })
  try {
    return { series: [await claims(network, times), await updates(network, times)], skipped: [] }
  } finally {
    await network.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** One after the other, with a rest in which what was used is made ready again. */
async function claims(network: Network, times: number): Promise<Series> {
  const recorder = new Recorder()
  await network.release((await network.take()).slot)
  await sleep(1000)
  for (let count = 0; count < times; count++) {
    const place = await recorder.time(() => network.take())
    if (place) await network.release(place.slot)
    await sleep(50)
  }
  return recorder.series('network slot claim', { targets: [{ percentile: 'p50', atMost: 2 }] })
}

async function updates(network: Network, times: number): Promise<Series> {
  const recorder = new Recorder()
  const { slot } = await network.take()
  const policies: NetworkPolicy[] = [
    { internet: true, allow: [], deny: [':25'] },
    { internet: false, allow: Array.from({ length: 100 }, (_, index) => `*.name-${index}.example`), deny: [] },
  ]
  for (let count = 0; count < times; count++) {
    await recorder.time(() => network.set(slot, policies[count % policies.length]!))
    await sleep(5)
  }
  await network.release(slot)
  return recorder.series('network policy update', { targets: [{ percentile: 'p50', atMost: 10 }] })
}
