import { readFileSync } from 'node:fs'
import { notThere, probing } from '../attempts.ts'
import type { Case } from '../case.ts'

/** Devices by their numbers. Those a host lacks are told as absent. */
const made: Record<string, [kind: string, major: number, minor: number]> = {
  memory: ['character', 1, 1],
  ports: ['character', 1, 4],
  kernel_log: ['character', 1, 11],
  loop_control: ['character', 10, 237],
  user_file_systems: ['character', 10, 229],
  virtual_machines: ['character', 10, 232],
  // The disks of other sandboxes are such.
  loop_disk: ['block', 7, 0],
}

const shown = ['kvm', 'net/tun', 'fuse', 'loop-control', 'vsock', 'kmsg', 'userfaultfd', 'loop0']

/** Devices of the host. They are opened at most; nothing is read from a disk. */
export const devices: Case[] = [
  ...Object.entries(made).map(([name, [kind, major, minor]]) =>
    probing(
      `devices.make_${name}`,
      (_world, _place, scratch) => ['make-device', scratch, kind, String(major), String(minor)],
      { absent: notThere, ownKernel: true },
    ),
  ),
  // Some hosts are guests themselves, whose root may not make the node of their own disk either.
  probing(
    'devices.make_host_disk',
    (_world, _place, scratch) => ['make-device', scratch, 'block', ...numbersOfHostDisk()],
    { absent: [...notThere, 'EPERM'], ownKernel: true },
  ),
  ...shown.map((name) =>
    probing(`devices.open_${name.replace(/\W/g, '_')}`, ['write', `/dev/${name}`], {
      absent: notThere,
      ownKernel: true,
    }),
  ),
]

/** The first that is no loop device or memory: that holds the system. */
function numbersOfHostDisk(): string[] {
  const rows = readFileSync('/proc/partitions', 'utf8').split('\n').slice(2)
  const disk = rows.map((row) => row.trim().split(/\s+/)).find(([, , , name]) => name && !/^(loop|ram|zram)/.test(name))
  return disk ? [disk[0]!, disk[1]!] : ['7', '0']
}
