/**
 * The system call filter of the container rung. What no ordinary program needs and kernels have been broken
 * through is refused with EPERM; everything else is allowed. The list is by purpose, so that a reader can judge it.
 */
const refused = {
  kernelModulesAndBoot: ['init_module', 'finit_module', 'delete_module', 'create_module', 'query_module'],
  otherKernels: ['kexec_load', 'kexec_file_load', 'reboot'],
  tracing: ['bpf', 'perf_event_open', 'lookup_dcookie', 'fanotify_init', 'quotactl', 'quotactl_fd'],
  faultHandling: ['userfaultfd'],
  asynchronousIo: ['io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  keyrings: ['add_key', 'request_key', 'keyctl'],
  otherProcesses: ['ptrace', 'process_vm_readv', 'process_vm_writev', 'kcmp', 'pidfd_getfd', 'process_madvise'],
  mounts: [
    'mount',
    'umount',
    'umount2',
    'pivot_root',
    'move_mount',
    'open_tree',
    'open_tree_attr',
    'fsopen',
    'fsconfig',
    'fsmount',
    'fspick',
    'mount_setattr',
    'swapon',
    'swapoff',
  ],
  filesByHandle: ['open_by_handle_at', 'name_to_handle_at'],
  clockAndHost: [
    'settimeofday',
    'clock_settime',
    'clock_adjtime',
    'adjtimex',
    'stime',
    'sethostname',
    'setdomainname',
    'acct',
    'syslog',
    'vhangup',
    'nfsservctl',
  ],
  hardware: ['iopl', 'ioperm', 'modify_ldt', 'vm86', 'vm86old'],
  numaPlacement: ['mbind', 'migrate_pages', 'move_pages', 'set_mempolicy', 'set_mempolicy_home_node'],
  namespaces: ['setns', 'unshare'],
  uselib: ['uselib', 'ustat', 'sysfs', '_sysctl', 'afs_syscall'],
}

const eperm = 1
const enosys = 38
/** CLONE_NEW* of clone(2): time, mount, cgroup, uts, ipc, user, pid, net. */
const namespaceFlags = 0x7e020080
/** Socket families a sandbox may open, beside AF_UNIX, which is 1. */
const afInet = 2
const afInet6 = 10
const afNetlink = 16
/** The one netlink protocol allowed: addresses and routes of the own namespace. */
const netlinkRoute = 0

/**
 * `linux.seccomp` of the OCI runtime specification 1.0, for the host's own architecture: programs of another one that the
 * kernel could run too (32 bits, x32) are killed, since their calls have other numbers.
 */
export function seccomp(): unknown {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      {
        names: Object.values(refused).flat(),
        action: 'SCMP_ACT_ERRNO',
        errnoRet: eperm,
      },
      // clone3 passes its flags in memory, where a filter cannot look: libc falls back to clone on ENOSYS.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: enosys },
      ...bitsOf(namespaceFlags).map((flag) => ({
        names: ['clone'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: eperm,
        args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }],
      })),
      ...socketFamilies(),
      // Limits of others: the agent must outlive what has its user.
      {
        names: ['prlimit64'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: eperm,
        args: [{ index: 0, value: 0, op: 'SCMP_CMP_NE' }],
      },
      // Pushing characters into somebody's terminal.
      ...[0x5412, 0x541c].map((request) => ({
        names: ['ioctl'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: eperm,
        args: [{ index: 1, value: 0xffffffff, valueTwo: request, op: 'SCMP_CMP_MASKED_EQ' }],
      })),
    ],
  }
}

/** Ranges between the allowed families are refused: libseccomp joins the arguments of one rule by "and". */
function socketFamilies(): unknown[] {
  const deny = (args: unknown[]) => ({ names: ['socket'], action: 'SCMP_ACT_ERRNO', errnoRet: 97, args })
  const argument = (index: number, op: string, value: number) => ({ index, value, op })
  const between = (low: number, high: number) =>
    Array.from({ length: high - low - 1 }, (_, step) => deny([argument(0, 'SCMP_CMP_EQ', low + 1 + step)]))
  return [
    deny([argument(0, 'SCMP_CMP_EQ', 0)]),
    ...between(afInet, afInet6),
    ...between(afInet6, afNetlink),
    deny([argument(0, 'SCMP_CMP_GT', afNetlink)]),
    deny([argument(0, 'SCMP_CMP_EQ', afNetlink), argument(2, 'SCMP_CMP_NE', netlinkRoute)]),
    // Raw sockets: type in the low four bits (3 SOCK_RAW, 10 SOCK_PACKET), above them flags.
    ...[afInet, afInet6].flatMap((family) =>
      [3, 10].map((type) =>
        deny([argument(0, 'SCMP_CMP_EQ', family), { index: 1, value: 0xf, valueTwo: type, op: 'SCMP_CMP_MASKED_EQ' }]),
      ),
    ),
  ]
}

function bitsOf(mask: number): number[] {
  return Array.from({ length: 32 }, (_, bit) => (mask & (2 ** bit)) >>> 0).filter((bit) => bit !== 0)
}
