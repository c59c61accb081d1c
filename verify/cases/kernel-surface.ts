import { notThere, probing } from '../attempts.ts'
import type { Case } from '../case.ts'

/** Calls that kernels have been broken through, or that reach beyond a sandbox. */
const calls = [
  ...['init_module', 'kexec_load', 'reboot', 'iopl', 'modify_ldt'],
  ...['bpf', 'perf_event_open', 'fanotify_init', 'quotactl', 'syslog', 'acct'],
  ...['userfaultfd', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  ...['keyctl', 'add_key', 'request_key'],
  ...['ptrace', 'process_vm_readv', 'process_vm_writev', 'kcmp', 'pidfd_getfd', 'process_madvise'],
  ...['open_by_handle_at', 'name_to_handle_at', 'chroot', 'swapon', 'swapoff'],
  ...['adjtimex', 'clock_adjtime', 'settimeofday', 'sethostname', 'setdomainname'],
  ...['move_pages', 'migrate_pages'],
]

const namespaces = ['user', 'pid', 'net', 'mnt', 'ipc', 'uts', 'cgroup', 'time']

/** Settings of the host's kernel. They are opened for writing, and nothing is written. */
const settings: Record<string, string> = {
  core_pattern: '/proc/sys/kernel/core_pattern',
  modprobe: '/proc/sys/kernel/modprobe',
  panic: '/proc/sys/kernel/panic',
  dmesg_restrict: '/proc/sys/kernel/dmesg_restrict',
  address_layout: '/proc/sys/kernel/randomize_va_space',
  unprivileged_bpf: '/proc/sys/kernel/unprivileged_bpf_disabled',
  overcommit: '/proc/sys/vm/overcommit_memory',
  drop_caches: '/proc/sys/vm/drop_caches',
  suid_dumpable: '/proc/sys/fs/suid_dumpable',
  protected_links: '/proc/sys/fs/protected_symlinks',
  largest_pid: '/proc/sys/kernel/pid_max',
  shared_memory: '/proc/sys/kernel/shmmax',
  packet_forwarding: '/proc/sys/net/ipv4/ip_forward',
  message_queues: '/proc/sys/kernel/msgmax',
  magic_keys: '/proc/sysrq-trigger',
  interrupts: '/proc/irq/default_smp_affinity',
  module_parameters: '/sys/module/kernel/parameters/panic',
  same_pages: '/sys/kernel/mm/ksm/run',
  huge_pages: '/sys/kernel/mm/transparent_hugepage/enabled',
  processors: '/sys/devices/system/cpu/cpu1/online',
  device_events: '/sys/devices/system/cpu/cpu0/uevent',
}

const secrets: Record<string, string> = {
  kcore: '/proc/kcore',
  keys: '/proc/keys',
  timers: '/proc/timer_list',
  kernel_memory_map: '/proc/vmallocinfo',
  slabs: '/proc/slabinfo',
  free_pages: '/proc/pagetypeinfo',
  boot_options: '/proc/bootconfig',
  kernel_build: '/sys/kernel/notes',
  firmware: '/sys/firmware/acpi/tables/DSDT',
  debug_files: '/sys/kernel/debug/sleep_time',
}

/** What the kernel of the host offers to whoever may call it. */
export const kernelSurface: Case[] = [
  ...calls.map((name) => probing(`kernel.call_${name}`, ['call', name], { absent: notThere, ownKernel: true })),
  ...['i386', 'x32'].map((abi) =>
    probing(`kernel.call_as_${abi}`, ['old-call', abi], { absent: notThere, ownKernel: true }),
  ),
  ...namespaces.map((kind) =>
    probing(`kernel.unshare_${kind}`, ['unshare', kind], { absent: ['EINVAL'], ownKernel: true }),
  ),
  // CLONE_NEWTIME is no flag of clone(2).
  ...namespaces
    .filter((kind) => kind !== 'time')
    .map((kind) => probing(`kernel.clone_${kind}`, ['clone', kind], { absent: ['EINVAL'], ownKernel: true })),
  ...namespaces.map((kind) =>
    probing(`kernel.clone3_${kind}`, ['clone3', kind], { absent: ['EINVAL', 'ENOSYS'], ownKernel: true }),
  ),
  ...['net', 'pid', 'uts'].map((kind) =>
    probing(`kernel.setns_${kind}`, ['setns', `/proc/self/ns/${kind}`], { ownKernel: true }),
  ),
  ...Object.entries(settings).map(([name, path]) =>
    probing(`kernel.${name}_write`, ['write', path], { absent: notThere, ownKernel: true }),
  ),
  ...Object.entries(secrets).map(([name, path]) =>
    probing(`kernel.${name}_read`, ['read', path], { absent: notThere, ownKernel: true }),
  ),
  ...['/proc/kallsyms', '/proc/iomem'].map((path) =>
    probing(`kernel.${path.slice(6)}_addresses`, ['read-addresses', path], {
      absent: notThere,
      ownKernel: true,
    }),
  ),
]
