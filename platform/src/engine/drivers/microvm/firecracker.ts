import { request } from 'node:http'
import { WarrenError } from '../../../errors.ts'
import type { MachineParts, MachineSize } from './machine.ts'

/** A request of Firecracker's API, which it serves on a unix socket. */
export interface FirecrackerRequest {
  method: 'PUT' | 'PATCH'
  path: string
  body: object
}

/** Files of a saved machine, by paths below its jail. */
export interface FirecrackerSnapshot {
  statePath: string
  memoryPath: string
}

const kernelArguments = 'console=ttyS0 quiet loglevel=4 panic=1 reboot=k rdinit=/init random.trust_cpu=on -- init'
/** The guest's address on its vsock; each machine has a socket of its own, so all may have the same. */
const guestCid = 3
const answerMs = 30_000

/** What makes Firecracker boot a machine. `parts` are paths below its jail; it makes and listens on `vsockPath`. */
export function bootRequests(parts: MachineParts, size: MachineSize, vsockPath: string): FirecrackerRequest[] {
  const drive = (id: string, path: string, readOnly: boolean) =>
    put(`/drives/${id}`, { drive_id: id, path_on_host: path, is_root_device: false, is_read_only: readOnly })
  return [
    put('/machine-config', { vcpu_count: size.processors, mem_size_mib: size.memoryMb }),
    put('/boot-source', {
      kernel_image_path: parts.kernel,
      initrd_path: parts.initialFiles,
      boot_args: kernelArguments,
    }),
    // The guest finds them in this order: its own disk first.
    drive('own', parts.disk, false),
    drive('shown', parts.shown, true),
    put('/vsock', { guest_cid: guestCid, uds_path: vsockPath }),
    put('/entropy', {}),
    put('/actions', { action_type: 'InstanceStart' }),
  ]
}

/** What makes a fresh Firecracker go on with a saved machine. Its memory is mapped privately: pages not written are shared. */
export function restoreRequests(saved: FirecrackerSnapshot, vsockPath: string): FirecrackerRequest[] {
  return [
    put('/snapshot/load', {
      snapshot_path: saved.statePath,
      mem_backend: { backend_type: 'File', backend_path: saved.memoryPath },
      vsock_override: { uds_path: vsockPath },
      resume_vm: true,
    }),
  ]
}

/** What saves a machine, which runs on afterwards. */
export function saveRequests(into: FirecrackerSnapshot): FirecrackerRequest[] {
  return [
    pauseRequest,
    put('/snapshot/create', { snapshot_type: 'Full', snapshot_path: into.statePath, mem_file_path: into.memoryPath }),
    resumeRequest,
  ]
}

export const pauseRequest: FirecrackerRequest = { method: 'PATCH', path: '/vm', body: { state: 'Paused' } }
export const resumeRequest: FirecrackerRequest = { method: 'PATCH', path: '/vm', body: { state: 'Resumed' } }

/** Sends them one after the other. Rejects `unavailable` with what Firecracker said to the first that it refuses. */
export async function sendToFirecracker(socketPath: string, requests: readonly FirecrackerRequest[]): Promise<void> {
  for (const each of requests) await send(socketPath, each)
}

function send(socketPath: string, { method, path, body }: FirecrackerRequest): Promise<void> {
  const content = JSON.stringify(body)
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }
  return new Promise((resolve, reject) => {
    const fail = (said: string, cause?: Error) =>
      reject(new WarrenError('unavailable', `Firecracker refused ${method} ${path}: ${said}`, { cause }))
    const sent = request({ socketPath, method, path, headers, timeout: answerMs }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text = (text + chunk).slice(0, 4096)
      })
      answer.on('error', (error) => fail(error.message, error))
      answer.on('end', () => (answer.statusCode === 204 ? resolve() : fail(`${answer.statusCode} ${text}`)))
    })
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${answerMs} ms`)))
    sent.on('error', (error) => fail(error.message, error))
    sent.end(content)
  })
}

function put(path: string, body: object): FirecrackerRequest {
  return { method: 'PUT', path, body }
}
