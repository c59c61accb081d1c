import { constants, openSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../../platform/src/config.ts'
import type { Driver, Fingerprint } from '../../../platform/src/engine/driver.ts'
import { createDrivers } from '../../../platform/src/engine/drivers.ts'
import { fingerprint } from '../../../platform/src/engine/fingerprint.ts'
import { maxSlots, openHost } from '../../../platform/src/engine/host/host.ts'
import { prepareBase } from '../../../platform/src/engine/images/base.ts'
import { isAccessible } from '../../../platform/src/lib/is-accessible.ts'
import { text } from '../messages.ts'
import { guestBinary } from './guest-binary.ts'

export interface RuntimeVerdict {
  driver: string
  isolation: Driver['isolation']
  healthy: boolean
  /** A sentence an operator can act on. */
  reason: string
  bootMs?: number
  /** It was not booted: only who asks for it gets it. */
  onRequest?: true
}

const bootDeadlineMs = 10_000

/** Boots every runtime of this host once, the strongest first. Needs no server, and leaves nothing behind. */
export async function probeRuntimes(): Promise<RuntimeVerdict[]> {
  const config = readConfig()
  // The engine's connections do not keep a process running, for its server does.
  const awake = setInterval(() => {}, 60_000)
  const home = await mkdtemp(join(tmpdir(), 'warren-doctor-'))
  const host = await openHost({
    guestBinary,
    imagesDir: home,
    diskWriteMbps: config.diskWriteMbps,
    toolsDir: join(config.home, 'tools'),
    cacheDir: join(config.home, 'cache'),
    cgroupParent: `warren-doctor-${process.pid}`,
  })
  try {
    const built = await isAccessible(guestBinary, constants.X_OK)
    const rootfs = await prepareBase(home)
    const verdicts: RuntimeVerdict[] = []
    for (const [index, driver] of createDrivers(host, config).entries()) {
      // The uid ranges at the far end: a platform that runs beside us takes them from the near one.
      const spec = {
        id: `doctor${index}`,
        template: 'base',
        rootfs,
        limits: config.defaultLimits,
        slot: maxSlots - 1 - index,
      }
      const found: Fingerprint = built
        ? await fingerprint(
            driver,
            { spec, dir: await folder(home, spec.id) },
            { deadlineMs: bootDeadlineMs, asked: false },
          )
        : { healthy: false, reason: text.guestNotBuilt }
      const { healthy, reason } = found
      verdicts.push({
        driver: driver.name,
        isolation: driver.isolation,
        healthy,
        reason,
        ...(found.healthy ? { bootMs: found.bootMs } : found.untried && { onRequest: true }),
      })
    }
    return verdicts
  } finally {
    clearInterval(awake)
    await host.cgroups?.close()
    await rm(home, { recursive: true, force: true })
  }
}

/** Named by an open descriptor, for the path of a unix socket is limited to 107 bytes. */
async function folder(home: string, id: string) {
  const path = join(home, id)
  await mkdir(path, { mode: 0o700 })
  return { path, socketDir: `/proc/self/fd/${openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)}` }
}
