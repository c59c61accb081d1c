import { runCommand } from '../../../lib/run-command.ts'
import { systemPath } from '../../../lib/system-path.ts'
import { hardwareInside } from '../../network/slots.ts'
import { networkArgument, networkDevice } from './guest-network.ts'
import { fd, machineOptions, path, type Vmm } from './vmm.ts'

/** `reboot=t`: by triple fault, which ends the machine (-no-reboot) without a reset through emulated hardware. */
const kernelArguments =
  'console=ttyS0 quiet loglevel=4 panic=-1 reboot=t rdinit=/init random.trust_cpu=on no_timer_check -- init'

/**
 * QEMU with the machine `q35`: Debian's kernel cannot be told of devices that are on no bus, which the leaner `microvm`
 * has. Everything it opens is a descriptor of ours: it sees no path of a user, and has no network.
 */
export const qemu: Vmm = {
  name: 'microvm/qemu',
  memoryMb: 192,
  modules: ['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio-rng', 'virtio_net'],

  async find() {
    if (process.arch !== 'x64') return { missing: 'QEMU is used on x86-64 only' }
    const program = 'qemu-system-x86_64'
    const version = await runCommand([program, '--version'], { timeoutMs: 20_000, env: { PATH: systemPath } })
    if (!version.ok)
      return { missing: `${program} ${version.failure}; apt-get install --no-install-recommends qemu-system-x86` }
    return { program, version: /version (\S+)/.exec(version.stdout)?.[1] ?? 'of unknown version' }
  },

  command(program, plan) {
    const { size, acceleration, hasNetwork, saved } = plan
    // What is held for many is copied on write.
    const memory = `memory-backend-file,id=memory,size=${size.memoryMb}M,mem-path=${path(fd.memory)},share=${saved ? 'off' : 'on'}`
    return [
      ...machineOptions(plan, networkDevice),
      ...(saved ? ['--incoming', String(fd.state)] : []),
      '--',
      program,
      ...['-name', 'warren', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
      ...[
        '-M',
        'q35,usb=off,sata=off,smbus=off,graphics=off,suppress-vmdesc=on,memory-backend=memory',
        '-object',
        memory,
      ],
      ...['-accel', acceleration === 'kvm' ? 'kvm' : 'tcg,tb-size=64'],
      ...['-cpu', acceleration === 'kvm' ? 'host' : 'max', '-smp', String(size.processors)],
      ...['-m', String(size.memoryMb), '-kernel', path(fd.kernel), '-initrd', path(fd.initialFiles)],
      ...['-append', `${hasNetwork ? `${networkArgument} ` : ''}${kernelArguments}`],
      ...['-chardev', `socket,id=control,fd=${fd.control}`, '-mon', 'chardev=control,mode=control'],
      ...['-chardev', `socket,id=console,fd=${fd.console}`, '-serial', 'chardev:console'],
      ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=link,fd=${fd.link}`],
      ...['-device', 'virtserialport,chardev=link,name=agent', '-device', 'virtio-rng-pci'],
      ...disk('own', fd.disk, ''),
      ...disk('shown', fd.shown, ',read-only=on'),
      ...(hasNetwork ? network() : []),
      // The state that is saved begins with the devices.
      ...(saved ? ['-global', 'migration.send-configuration=off', '-incoming', 'defer'] : []),
    ]
  },
}

/** The tap device passes on what is left to be done to packets, so that nobody does it: checksums, cutting up. */
function network(): string[] {
  return ['-netdev', `tap,id=net,fd=${fd.tap}`, '-device', `virtio-net-pci,netdev=net,mac=${hardwareInside},romfile=`]
}

/** Nobody else writes to either: a lock would only keep a copy of a machine from its disk. */
function disk(name: string, number: number, options: string): string[] {
  const file = `driver=file,node-name=${name}-file,filename=${path(number)},locking=off${options}`
  return [
    ...['-blockdev', file, '-blockdev', `driver=raw,node-name=${name},file=${name}-file${options}`],
    ...['-device', `virtio-blk-pci,drive=${name}`],
  ]
}
