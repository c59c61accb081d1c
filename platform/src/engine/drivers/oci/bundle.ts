import { systemPath } from '../../../lib/system-path.ts'
import type { InstanceSpec } from '../../driver.ts'
import type { GpuEdits } from '../../host/gpu.ts'
import { seccomp } from './seccomp.ts'

/** Numbers of users and groups in each sandbox's own range. */
export const idsPerInstance = 65_536

/** What root inside may still do, all of it within its own user namespace. */
const capabilities = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_NET_BIND_SERVICE',
]

const masked = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/key-users',
  '/proc/kmsg',
  '/proc/kallsyms',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/interrupts',
  '/proc/sysrq-trigger',
  '/proc/config.gz',
  '/sys/firmware',
  '/sys/kernel',
  '/sys/fs',
  '/sys/module',
  '/sys/block',
  '/sys/dev',
  '/sys/bus',
  '/sys/class/block',
  '/sys/devices/virtual/powercap',
  '/sys/devices/virtual/block',
  '/sys/power',
]

const readonly = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/driver']

export interface BundlePlace {
  /** Where the keeper has mounted the writable layer. */
  rootPath: string
  hostUid: number
  cgroupsPath: string
  /** Arguments of the guest agent. */
  agent: string[]
  /** Folders of the root to be shown at their own place. */
  ownFolders: string[]
  /** The keeper shows it in the root: who maps its user may not, in a network that is not its own. */
  sysfsIsThere: boolean
  /** Its kernel is the host's: each boot is given an id of its own. */
  needsBootId: boolean
  /** A file of the root that is shown as the boot id, where the runtime's own kernel makes one that copies would share. */
  bootIdFile?: string | undefined
  gpu?: GpuEdits | undefined
  /** Folders of the root to be shown at their own place, read-only. */
  shownFolders: string[]
}

/** The OCI runtime specification (1.0.2) of one instance: the hardened container rung of ARCHITECTURE.md. */
export function bundle(spec: InstanceSpec, place: BundlePlace): unknown {
  const { limits } = spec
  const { gpu } = place
  const mapping = [{ containerID: 0, hostID: place.hostUid, size: idsPerInstance }]
  const cpuPeriodUs = 100_000
  return {
    ociVersion: '1.0.2',
    root: { path: place.rootPath, readonly: false },
    hostname: 'sandbox',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['/.warren/guest', 'agent', ...place.agent],
      env: [`PATH=${systemPath}`, ...(gpu?.env ?? [])],
      cwd: '/',
      noNewPrivileges: true,
      oomScoreAdj: 100,
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: limits.maxOpenFiles, hard: limits.maxOpenFiles },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ],
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'noexec', 'strictatime', 'mode=755', 'size=64k'],
      },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        // All instances of a host share some 3,000 terminals.
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5', 'max=256'],
      },
      {
        destination: '/dev/shm',
        type: 'tmpfs',
        source: 'shm',
        options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=64m'],
      },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      ...(place.sysfsIsThere
        ? []
        : [{ destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] }]),
      ...place.ownFolders.map((path) => ({
        destination: path,
        type: 'bind',
        source: `${place.rootPath}${path}`,
        options: ['bind', 'rw', 'nosuid', 'nodev'],
      })),
      ...place.shownFolders.map((path) => ({
        destination: path,
        type: 'bind',
        source: `${place.rootPath}${path}`,
        options: ['bind', 'ro', 'nosuid', 'nodev'],
      })),
      ...(place.bootIdFile ? [bootIdFrom(`${place.rootPath}${place.bootIdFile}`)] : []),
      ...spec.rootfs.readOnly.map((path) => ({
        destination: path,
        type: 'bind',
        source: path,
        options: ['bind', 'ro', 'nosuid', 'nodev', 'rprivate'],
      })),
      ...(gpu?.mounts ?? []),
    ],
    hooks: hooksOf(place),
    linux: {
      namespaces: [
        ...['pid', 'mount', 'ipc', 'uts', 'cgroup', 'user'].map((type) => ({ type })),
        { type: 'network', ...(spec.network ? { path: spec.network.netns } : {}) },
      ],
      uidMappings: mapping,
      gidMappings: mapping,
      cgroupsPath: place.cgroupsPath,
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          ...(gpu?.devices ?? []).map(({ type, major, minor }) => ({ allow: true, type, major, minor, access: 'rw' })),
        ],
        memory: { limit: limits.memoryMb * 1024 * 1024, swap: limits.memoryMb * 1024 * 1024 },
        cpu: { quota: Math.max(1000, Math.round(limits.cpuCores * cpuPeriodUs)), period: cpuPeriodUs },
        pids: { limit: limits.maxProcesses },
      },
      ...(gpu && { devices: gpu.devices }),
      maskedPaths: masked,
      readonlyPaths: readonly,
      seccomp: seccomp(),
    },
  }
}

function bootIdFrom(source: string): unknown {
  const destination = '/proc/sys/kernel/random/boot_id'
  return { destination, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'] }
}

function hooksOf({ gpu, needsBootId, rootPath }: BundlePlace): GpuEdits['hooks'] {
  const { createContainer = [], ...others } = gpu?.hooks ?? {}
  if (!needsBootId) return gpu?.hooks ?? {}
  // Its program is in the root: where the platform has it, whoever is root inside may not be let through.
  const bootId = { path: `${rootPath}/.warren/guest`, args: ['warren-guest', 'boot-id', rootPath] }
  return { ...others, createContainer: [...createContainer, bootId] }
}
