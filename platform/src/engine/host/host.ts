import { existsSync } from 'node:fs'
import { constants } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { runCommand } from '../../lib/run-command.ts'
import { systemPath } from '../../lib/system-path.ts'
import type { DiskLimit } from '../driver.ts'
import { type Cgroups, openCgroups } from './cgroups.ts'
import { findGpu, type Gpu, gpuPlaces } from './gpu.ts'
import { Launcher } from './launcher.ts'

/** What drivers need to know about the machine they run on. Found out once, at start. */
export interface Host {
  root: boolean
  guestBinary: string
  launcher: Launcher
  imagesDir: string
  /** Undefined when this process may not make control groups. */
  cgroups: Cgroups | undefined
  /** The hard disk limit a keeper can set up here. */
  disk: DiskLimit
  /** The most that a sandbox writes to its disk, megabytes in a second; 0 for as much as the disk takes. */
  diskWriteMbps: number
  gpu: Gpu
  /** Folder of programs that were fetched for Warren alone; looked into before PATH. */
  toolsDir: string
  /** Folder of what was made from this host alone, takes long to make, and can be made again. */
  cacheDir: string
  /** Where keepers mount a sandbox's root, each in its own mount namespace. */
  mountPoint: string
}

/** The first host uid of all ranges: inside what systemd sets aside for containers, above every account. */
export const firstHostUid = 0x2000_0000
const uidsPerSlot = 65_536

/** How many instances can have a uid range at once. */
export const maxSlots = 10_000

/** Who the gateway of the sandboxes' network is: above every range. */
export const gatewayUid = firstHostUid + maxSlots * uidsPerSlot

export function hostUid(slot: number): number {
  if (slot < 0 || slot >= maxSlots)
    throw new WarrenError('limit_exceeded', `all ${maxSlots} host uid ranges are in use`)
  return firstHostUid + slot * uidsPerSlot
}

/** Looks at this machine. `cgroupParent` names the control group below which all of ours are. */
export async function openHost(options: {
  guestBinary: string
  imagesDir: string
  toolsDir: string
  cacheDir: string
  cgroupParent: string
  diskWriteMbps: number
}): Promise<Host> {
  const { guestBinary, imagesDir, toolsDir, cacheDir, cgroupParent, diskWriteMbps } = options
  const root = process.getuid?.() === 0
  const [cgroups, disk] = await Promise.all([openCgroups(cgroupParent), findDiskLimit(root)])
  const mountPoint = findMountPoint([guestBinary, imagesDir])
  const launcher = new Launcher(guestBinary)
  const gpu = findGpu(gpuPlaces)
  return { root, guestBinary, launcher, imagesDir, cgroups, disk, diskWriteMbps, gpu, toolsDir, cacheDir, mountPoint }
}

/** The absolute path of a program, or undefined where it is not. */
export function findTool({ toolsDir }: Host, name: string): string | undefined {
  const folders = [toolsDir, ...systemPath.split(':')]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** A folder that every uid may reach, and whose covering hides none of `needed`. */
function findMountPoint(needed: readonly string[]): string {
  const candidates = ['/mnt', '/media', '/srv', '/opt']
  const found = candidates.find((folder) => existsSync(folder) && !needed.some((path) => path.startsWith(`${folder}/`)))
  if (found) return found
  throw new WarrenError('unavailable', `none of ${candidates.join(', ')} can be mounted over`, {
    hint: 'make an empty folder /mnt, or keep WARREN_HOME and the clone outside of it',
  })
}

/** The hard disk limit this host offers to root: loop devices, else memory. */
async function findDiskLimit(root: boolean): Promise<DiskLimit> {
  if (!root) return 'none'
  const loop = await isAccessible('/dev/loop-control', constants.R_OK | constants.W_OK)
  const mkfs = await runCommand(['mkfs.ext4', '-V'], { timeoutMs: 5000 })
  return loop && mkfs.ok ? 'loop' : 'tmpfs'
}
