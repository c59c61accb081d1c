import net from 'node:net'
import type { Duplex } from 'node:stream'
import { WarrenError } from '../../../errors.ts'
import type { InstanceDir } from '../../driver.ts'
import { GuestConnection } from '../../guest/connection.ts'
import { encodeFrame, kind } from '../../guest/frames.ts'

/** Where `warren-guest vm` takes requests about the machine itself. What comes from here never came from the guest. */
export const controlSocket = 'vm.sock'

/** A machine may take this long to be saved, milliseconds. */
const saveMs = 180_000

/** Of `vmSave`: the disk is saved too. */
const withDisk = 1

/** Pauses or resumes the machine. Rejects `unavailable` with what the monitor said. */
export async function askMachine(
  dir: InstanceDir,
  request: 'vmPause' | 'vmResume',
  signal?: AbortSignal,
): Promise<void> {
  await ask(dir, { kind: kind[request], fields: [] }, signal)
}

/** Writes the machine's parts into its folder `machine`. It stands still from then on. Rejects as `askMachine`. */
export async function saveMachine(dir: InstanceDir, options: { disk: boolean }, signal?: AbortSignal): Promise<void> {
  await ask(dir, { kind: kind.vmSave, fields: options.disk ? [[withDisk, 1]] : [] }, signal)
}

async function ask(
  dir: InstanceDir,
  request: { kind: number; fields: readonly (readonly [number, number])[] },
  signal?: AbortSignal,
): Promise<void> {
  const control = { socketPath: `${dir.socketDir}/${controlSocket}` }
  const connection = await GuestConnection.open(control, request.kind, request.fields, signal)
  try {
    await connection.expect(kind.ok, saveMs)
  } finally {
    connection.close()
  }
}

/** The machine's serial console: the last 64 KiB of what it said, then both ways. No frames, from the start. */
export function openConsole(dir: InstanceDir): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path: `${dir.socketDir}/${controlSocket}` })
    socket.once('error', (cause) =>
      reject(new WarrenError('unavailable', 'the machine of the sandbox cannot be reached', { cause })),
    )
    socket.once('connect', () => {
      socket.write(encodeFrame(kind.vmConsole))
      resolve(socket)
    })
  })
}
