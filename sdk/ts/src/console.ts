import type { Transport } from './transport.ts'

/** The serial console of a microVM. */
export interface Console {
  write(data: string | Uint8Array): void
  /** Resolves when the machine has ended or the connection was closed. */
  readonly closed: Promise<void>
  close(): void
}

/** Attaches to the console of the sandbox at `path`; `onData` gets what the machine said lately, then what it says. */
export async function openConsole(
  transport: Transport,
  path: string,
  onData: (bytes: Uint8Array) => void,
): Promise<Console> {
  const socket = await transport.socket(`${path}/console`, {}, (data) => {
    if (typeof data !== 'string') onData(new Uint8Array(data))
  })
  const closed = new Promise<void>((resolve) => {
    socket.onclose = () => resolve()
  })
  return {
    write: (data) =>
      socket.send(typeof data === 'string' ? new TextEncoder().encode(data) : (data as Uint8Array<ArrayBuffer>)),
    closed,
    close: () => socket.close(),
  }
}
