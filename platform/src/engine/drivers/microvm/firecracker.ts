import { runCommand } from '../../../lib/run-command.ts'
import { findTool } from '../../host/host.ts'
import { hardwareInside } from '../../network/slots.ts'
import { networkArgument, networkDevice } from './guest-network.ts'
import { fd, type MachinePlan, machineOptions, path, type Vmm } from './vmm.ts'

/** A request of Firecracker's API, which it serves on a unix socket. */
interface FirecrackerRequest {
  method: 'PUT'
  path: string
  body: object
}

/** Below its root, in a folder of its own. Each machine has a root of its own, so all may have the same. */
const apiSocket = '/run/api.sock'
const vsockSocket = '/run/v.sock'
const guestCid = 3
/** Of the agent inside (guest/src/init/line.rs). */
const agentPort = 1024
/** Which `warren-guest vm` makes (guest/src/vm/tap.rs). */
const tapDevice = 'vm0'

/** `reboot=k`: by the keyboard's controller, which ends the machine. What stands before `--` becomes a variable of `init`. */
const kernelArguments =
  'console=ttyS0 quiet loglevel=4 panic=1 reboot=k i8042.noaux i8042.nomux rdinit=/init random.trust_cpu=on -- init'

/**
 * Firecracker: a monitor without a device too many, on KVM alone. It is told what to do by requests; everything it opens is a
 * descriptor of ours, as with QEMU. Our own jail stands in the place of its jailer, which would want the files by paths
 * below a folder for each machine and does nothing that ours does not.
 */
export const firecracker: Vmm = {
  name: 'microvm/firecracker',
  memoryMb: 64,
  modules: ['virtio_mmio', 'virtio_blk', 'virtio-rng', 'virtio_net', 'vmw_vsock_virtio_transport'],
  needsKvm: true,
  plainKernel: true,

  async find(host) {
    if (process.arch !== 'x64') return { missing: 'Firecracker is used on x86-64 only' }
    const program = findTool(host, 'firecracker')
    if (!program) return { missing: `there is no program "firecracker": put one into PATH or into ${host.toolsDir}` }
    const version = await runCommand([program, '--version'], { timeoutMs: 20_000 })
    if (!version.ok) return { missing: `${program} --version ${version.failure}` }
    return { program, version: /Firecracker v(\S+)/.exec(version.stdout)?.[1] ?? 'of unknown version' }
  },

  command(program, plan) {
    const requests = plan.saved ? goOnRequests() : bootRequests(plan)
    return [
      ...machineOptions(plan, networkDevice),
      // Where it is no program of the system's, its root does not show it.
      ...['--file', `${fd.program}:${program}`],
      ...(plan.hasNetwork ? ['--device', 'net/tun'] : []),
      ...['--api', apiSocket, '--vsock', `${vsockSocket}:${agentPort}`],
      ...requests.flatMap(({ method, path, body }) => ['--request', `${method} ${path} ${JSON.stringify(body)}`]),
      ...['--', path(fd.program), '--api-sock', apiSocket, '--level', 'Error'],
    ]
  },
}

/** What makes it boot a machine. */
function bootRequests({ size, hasNetwork }: MachinePlan): FirecrackerRequest[] {
  const drive = (id: string, number: number, readOnly: boolean) =>
    put(`/drives/${id}`, { drive_id: id, path_on_host: path(number), is_root_device: false, is_read_only: readOnly })
  const settings = ['WARREN_LINE=vsock', ...(hasNetwork ? [networkArgument] : [])]
  const interfaces = hasNetwork
    ? [put('/network-interfaces/net', { iface_id: 'net', host_dev_name: tapDevice, guest_mac: hardwareInside })]
    : []
  return [
    put('/machine-config', { vcpu_count: size.processors, mem_size_mib: size.memoryMb }),
    put('/boot-source', {
      kernel_image_path: path(fd.kernel),
      initrd_path: path(fd.initialFiles),
      boot_args: [...settings, kernelArguments].join(' '),
    }),
    // The guest finds them in this order: its own disk first.
    drive('own', fd.disk, false),
    drive('shown', fd.shown, true),
    ...interfaces,
    put('/vsock', { guest_cid: guestCid, uds_path: vsockSocket }),
    put('/entropy', {}),
    put('/actions', { action_type: 'InstanceStart' }),
  ]
}

/**
 * What makes a fresh Firecracker go on with a saved machine: all it names is where it was when it was saved. The memory is
 * mapped privately, so that pages that are not written are shared.
 */
function goOnRequests(): FirecrackerRequest[] {
  const memory = { backend_type: 'File', backend_path: path(fd.memory) }
  return [put('/snapshot/load', { snapshot_path: path(fd.state), mem_backend: memory, resume_vm: true })]
}

function put(path: string, body: object): FirecrackerRequest {
  return { method: 'PUT', path, body }
}
