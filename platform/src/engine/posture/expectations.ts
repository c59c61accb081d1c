import type { Isolation } from '../driver.ts'
import type { NamespaceKind } from './outside.ts'

/** What a runtime of some strength must show. */
export interface Expectation {
  /** Capabilities that its processes may have at most, in a user namespace of their own: bits of capabilities(7). */
  capabilities: bigint
  namespaces: readonly NamespaceKind[]
  /**
   * Programs inside are processes of the host, so that both sides see the same. Otherwise the host sees the processes of
   * another kernel, and what is inside is that kernel's own word.
   */
  sharesKernel: boolean
}

const bits = (...numbers: number[]) => numbers.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)

/** chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service. */
const container = bits(0, 1, 3, 4, 5, 6, 7, 10)
const everyNamespace = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'] as const

/** Of `none` the same is expected as of namespaces, so that its posture says what it lacks. */
export const expectations: Record<Isolation, Expectation> = {
  none: { capabilities: 0n, namespaces: everyNamespace, sharesKernel: true },
  namespaces: { capabilities: 0n, namespaces: everyNamespace, sharesKernel: true },
  container: { capabilities: container, namespaces: everyNamespace, sharesKernel: true },
  // Its kernel and its file server also need dac_read_search, sys_chroot and sys_ptrace, each in that user namespace only.
  'userspace-kernel': {
    capabilities: container | bits(2, 18, 19),
    namespaces: ['user', 'mnt', 'net', 'ipc', 'uts'],
    sharesKernel: false,
  },
  // Its monitor runs as one user of its own range, which no user inside is mapped to.
  microvm: { capabilities: 0n, namespaces: ['mnt', 'net', 'ipc', 'uts'], sharesKernel: false },
}

export function capabilityNames(mask: bigint): string {
  const numbers = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => mask & (1n << BigInt(bit)))
  return numbers.length === 0 ? 'none' : numbers.map((bit) => names[bit] ?? `capability ${bit}`).join(' ')
}

const names = [
  ...['chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap'],
  ...['linux_immutable', 'net_bind_service', 'net_broadcast', 'net_admin', 'net_raw', 'ipc_lock', 'ipc_owner'],
  ...['sys_module', 'sys_rawio', 'sys_chroot', 'sys_ptrace', 'sys_pacct', 'sys_admin', 'sys_boot', 'sys_nice'],
  ...['sys_resource', 'sys_time', 'sys_tty_config', 'mknod', 'lease', 'audit_write', 'audit_control', 'setfcap'],
  ...['mac_override', 'mac_admin', 'syslog', 'wake_alarm', 'block_suspend', 'audit_read', 'perfmon', 'bpf'],
  'checkpoint_restore',
]
