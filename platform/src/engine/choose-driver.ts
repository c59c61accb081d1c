import { WarrenError } from '../errors.ts'
import { type Driver, type Fingerprint, type Isolation, isAtLeast } from './driver.ts'

export interface ProbedDriver {
  driver: Driver
  fingerprint: Fingerprint
}

export interface IsolationWanted {
  /** Never less than this. */
  min: Isolation
  /** This driver and no other. */
  driver?: string
  /** With the host's GPUs. */
  gpu?: boolean
  /** From layers of its own instead of what the host shows. */
  layers?: boolean
  /** With volumes. */
  volumes?: boolean
}

export interface Choice {
  driver: Driver
  /** Stronger drivers that were not taken, and why. */
  passedOver: { driver: string; reason: string }[]
}

/**
 * The strongest healthy driver that is at least as strong as asked; one that is only chosen by name must be named.
 * Throws `unavailable` with every driver's reason when none qualifies: never weaker than asked, never silently.
 */
export function chooseDriver(probed: readonly ProbedDriver[], wanted: IsolationWanted): Choice {
  const passedOver: { driver: string; reason: string }[] = []
  for (const { driver, fingerprint } of probed) {
    const reason = refusal(driver, fingerprint, wanted)
    if (reason === undefined) return { driver, passedOver }
    passedOver.push({ driver: driver.name, reason })
  }
  const asked = wanted.driver ? `driver "${wanted.driver}"` : `isolation of at least "${wanted.min}"`
  throw new WarrenError(
    'unavailable',
    `no runtime of this host offers ${asked}${wanted.gpu ? ' with a GPU' : ''}${wanted.layers ? ' for a template that has been built' : ''}${wanted.volumes ? ' with volumes' : ''}`,
    {
      hint: 'run `warren doctor` on the host to see what each runtime lacks, or ask for less isolation',
      details: { passedOver },
    },
  )
}

function refusal(driver: Driver, fingerprint: Fingerprint, wanted: IsolationWanted): string | undefined {
  if (wanted.driver !== undefined && wanted.driver !== driver.name) return `"${wanted.driver}" was asked for by name`
  if (driver.onlyByName && wanted.driver !== driver.name) return 'is only chosen by name'
  if (!isAtLeast(driver.isolation, wanted.min)) return `offers "${driver.isolation}", asked was "${wanted.min}"`
  if (!fingerprint.healthy) return fingerprint.reason
  if (fingerprint.emulated && !wantsEmulation(driver, wanted)) return `${fingerprint.reason}; must be asked for`
  if (wanted.volumes && !driver.mountsVolumes) return 'mounts no volumes'
  const layers = wanted.layers ? refusalOfLayers(driver) : undefined
  if (layers || !wanted.gpu) return layers
  return driver.refuseGpu ? driver.refuseGpu() : 'gives a sandbox no GPU'
}

function refusalOfLayers(driver: Driver): string | undefined {
  return driver.refuseLayers ? driver.refuseLayers() : 'starts from the template "base" alone'
}

/** Emulation is slow: nobody gets it who did not ask for what only it offers. */
export function wantsEmulation(driver: Driver, wanted: IsolationWanted): boolean {
  return wanted.driver === driver.name || (wanted.driver === undefined && wanted.min === driver.isolation)
}
