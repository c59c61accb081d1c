import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Where GPUs and what gives them to containers are looked for. */
export interface GpuPlaces {
  /** Folder of device files. */
  devices: string
  /** Folders of CDI descriptions, as JSON. */
  descriptions: string[]
  /** Folders of programs. */
  programs: string[]
}

/** What is added to an OCI bundle so that the container has the host's GPUs. */
export interface GpuEdits {
  env: string[]
  devices: { path: string; type: 'c'; major: number; minor: number; fileMode: number; uid: 0; gid: 0 }[]
  mounts: { destination: string; source: string; type: 'bind'; options: string[] }[]
  hooks: Record<string, { path: string; args?: string[]; env?: string[]; timeout?: number }[]>
}

/** The host's GPUs as a container gets them, or what is missing for that. */
export type Gpu = { edits: GpuEdits } | { missing: string }

export const gpuPlaces: GpuPlaces = {
  devices: '/dev',
  descriptions: ['/etc/cdi', '/var/run/cdi'],
  programs: ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'],
}

const hookName = 'nvidia-container-runtime-hook'

/**
 * Looks for NVIDIA's devices, and for one of the two ways in which NVIDIA's container toolkit gives them to a container:
 * a description by the Container Device Interface, else the hook of the runtime.
 */
export function findGpu(places: GpuPlaces): Gpu {
  const nodes = list(places.devices).filter((name) => /^nvidia(\d+|ctl|-uvm|-uvm-tools|-modeset)$/.test(name))
  if (!nodes.some((name) => /^nvidia\d+$/.test(name)))
    return { missing: `this host has no NVIDIA GPU: there is no ${places.devices}/nvidia0 (is the driver loaded?)` }
  const described = places.descriptions.flatMap(readDescriptions)[0]
  if (described) return { edits: described }
  const hook = places.programs.map((folder) => join(folder, hookName)).find((path) => isFile(path))
  if (!hook)
    return {
      missing: `the NVIDIA container toolkit is not there: neither ${hookName} nor a JSON file in ${places.descriptions.join(' or ')}; install nvidia-container-toolkit, or run: nvidia-ctk cdi generate --format=json --output=/etc/cdi/nvidia.json`,
    }
  return {
    edits: {
      env: ['NVIDIA_VISIBLE_DEVICES=all', 'NVIDIA_DRIVER_CAPABILITIES=compute,utility'],
      devices: nodes.flatMap((name) => deviceAt(join(places.devices, name))),
      mounts: [],
      hooks: { prestart: [{ path: hook, args: [hookName, 'prestart'] }] },
    },
  }
}

interface Description {
  kind?: string
  containerEdits?: Edits
  devices?: { name?: string; containerEdits?: Edits }[]
}

interface Edits {
  env?: string[]
  deviceNodes?: { path: string; hostPath?: string }[]
  mounts?: { hostPath: string; containerPath: string; options?: string[] }[]
  hooks?: { hookName: string; path: string; args?: string[]; env?: string[]; timeout?: number }[]
}

/** Every GPU of the descriptions in `folder`: those of the device `all`, else of all devices together. */
function readDescriptions(folder: string): GpuEdits[] {
  return list(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const description = readJson(join(folder, name))
      if (description?.kind !== 'nvidia.com/gpu') return []
      const devices = description.devices ?? []
      const all = devices.filter((device) => device.name === 'all')
      const chosen = all.length > 0 ? all : devices
      return [joined([description.containerEdits, ...chosen.map((device) => device.containerEdits)])]
    })
}

function joined(parts: (Edits | undefined)[]): GpuEdits {
  const edits: GpuEdits = { env: [], devices: [], mounts: [], hooks: {} }
  for (const part of parts) {
    edits.env.push(...(part?.env ?? []))
    for (const { path, hostPath } of part?.deviceNodes ?? []) {
      const known = edits.devices.some((device) => device.path === path)
      if (!known) edits.devices.push(...deviceAt(hostPath ?? path).map((device) => ({ ...device, path })))
    }
    for (const { hostPath, containerPath, options } of part?.mounts ?? []) {
      const mount = { destination: containerPath, source: hostPath, type: 'bind' as const }
      edits.mounts.push({ ...mount, options: options ?? ['ro', 'nosuid', 'nodev', 'bind'] })
    }
    for (const { hookName: stage, ...hook } of part?.hooks ?? [])
      edits.hooks[stage] = [...(edits.hooks[stage] ?? []), hook]
  }
  return edits
}

function deviceAt(path: string): GpuEdits['devices'] {
  try {
    const { rdev, mode } = statSync(path)
    const [major, minor] = [(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)]
    return [{ path, type: 'c', major, minor, fileMode: mode & 0o777, uid: 0, gid: 0 }]
  } catch {
    return [] // a description may be older than the driver
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function readJson(path: string): Description | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Description
  } catch {
    return undefined
  }
}
