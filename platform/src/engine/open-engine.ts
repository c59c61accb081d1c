import { createHash } from 'node:crypto'
import { access, constants, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { Isolation, Limits, Rootfs } from './driver.ts'
import { createDrivers } from './drivers.ts'
import { Engine } from './engine.ts'
import type { EngineDeps } from './engine-deps.ts'
import { openHost } from './host/host.ts'
import { agentPath, keepAgent } from './images/agent.ts'
import { prepareBase } from './images/base.ts'
import { Images } from './images/images.ts'
import { LayerStore } from './images/layer-store.ts'
import { forgetTemplateDisks } from './images/template-disk.ts'
import { InstanceStore } from './instance-store.ts'
import { type EgressOptions, openNetwork } from './open-network.ts'
import { SnapshotStore } from './snapshot-store.ts'
import { VolumeFiles } from './volume-files.ts'

export interface OpenEngineOptions {
  /** Absolute; the engine keeps `run` and `images` below it. */
  home: string
  guestBinary: string
  isolation: Isolation
  allowUnconfined: boolean
  /** Of microVMs; else one that was fetched. */
  kernel: string | undefined
  poolSize: number
  forecast: EngineDeps['forecast']
  parallelStarts: number
  templateStarts: EngineDeps['templateStarts']
  diskWriteMbps: number
  defaultLimits: Limits
  egress: EgressOptions
  log: EngineDeps['log'] & { info: (details: object, message: string) => void }
}

/** Looks at this host and opens the engine on it. Throws `unavailable` when the guest binary has not been built. */
export async function openEngine(options: OpenEngineOptions): Promise<Engine> {
  const imagesDir = join(options.home, 'images')
  await step('home.make', imagesDir, () => mkdir(imagesDir, { recursive: true, mode: 0o755 }))
  await access(options.guestBinary, constants.X_OK).catch((cause) => {
    throw new WarrenError('unavailable', `the guest agent is not built: ${options.guestBinary} is missing`, {
      hint: '`npm start` builds it; it needs apt-get install cargo gcc libc6-dev',
      cause,
    })
  })
  // One name per home: two platforms on one host must not reap each other's groups.
  const cgroupParent = `warren-${createHash('sha256').update(options.home).digest('hex').slice(0, 12)}`
  const toolsDir = join(options.home, 'tools')
  const cacheDir = join(options.home, 'cache')
  const { guestBinary, diskWriteMbps } = options
  const host = await openHost({ guestBinary, imagesDir, toolsDir, cacheDir, cgroupParent, diskWriteMbps })
  await forgetTemplateDisks(imagesDir, options.defaultLimits.diskMb)
  const agent = keepAgent(imagesDir, options.guestBinary)
  const withAgent = async (rootfs: Promise<Rootfs>) => ({ ...(await rootfs), agent: await agent })
  const base = withAgent(prepareBase(imagesDir))
  const functions = withAgent(base.then(() => prepareBase(imagesDir, [dirname(process.execPath)])))
  // Told to the first function that is run.
  functions.catch(() => {})
  const layers = await LayerStore.open({ imagesDir, guestBinary: options.guestBinary })
  const store = await InstanceStore.open(join(options.home, 'run'))
  return Engine.open({
    home: options.home,
    store,
    snapshots: await SnapshotStore.open(join(options.home, 'snapshots')),
    starts: await SnapshotStore.open(join(imagesDir, 'starts')),
    agent: (sha256) => agentPath(imagesDir, sha256),
    volumes: new VolumeFiles(join(options.home, 'volumes'), host),
    drivers: createDrivers(host, { ...options, tell: (message) => options.log.info({}, message) }),
    cgroups: host.cgroups,
    network: await openNetwork(host, store, { ...options, name: cgroupParent }),
    images: await Images.open({ imagesDir, cacheDir, base, functions, layers }),
    isolation: options.isolation,
    pool: { template: 'base', size: options.poolSize, limits: options.defaultLimits },
    forecast: options.forecast,
    parallelStarts: options.parallelStarts,
    templateStarts: options.templateStarts,
    log: options.log,
  })
}
