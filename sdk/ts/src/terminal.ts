import { errorFromEvent, WarrenError } from './error.ts'
import type { ProcessExit } from './execute.ts'
import type { TerminalSize } from './process.ts'
import type { Transport } from './transport.ts'

export interface TerminalOptions extends Partial<TerminalSize> {
  /** Default: the user's shell. */
  command?: string | undefined
  user?: string | undefined
  cwd?: string | undefined
  /** Called with what the terminal shows. */
  onData?: ((bytes: Uint8Array) => void) | undefined
}

/** A terminal in a sandbox. */
export interface Terminal {
  write(data: string | Uint8Array): void
  resize(size: TerminalSize): void
  /** How its program ended. Rejects when the connection is lost or closed before. */
  readonly exit: Promise<ProcessExit>
  /** Bytes written that have not left this machine yet. */
  readonly bufferedBytes: number
  /** Lets go of it. Its program gets a hang-up. */
  close(): void
}

/** Opens a terminal in the sandbox at `path`. */
export async function openTerminal(transport: Transport, path: string, options: TerminalOptions): Promise<Terminal> {
  const { onData, ...query } = options
  let exited!: (exit: ProcessExit) => void
  let lost!: (error: WarrenError) => void
  const exit = new Promise<ProcessExit>((resolve, reject) => {
    exited = resolve
    lost = reject
  })
  // Whoever does not look at `exit` must not be punished with an unhandled rejection.
  exit.catch(() => {})

  const socket = await transport.socket(`${path}/terminal`, query, (data) => {
    if (typeof data !== 'string') return onData?.(new Uint8Array(data))
    const message = JSON.parse(data)
    if (message.type === 'exit') exited(message)
    else if (message.type === 'error') lost(errorFromEvent(message))
  })
  socket.onclose = ({ code, reason }) => {
    lost(new WarrenError('unavailable', `the terminal's connection closed (${reason || code})`))
  }

  return {
    write: (data) =>
      socket.send(typeof data === 'string' ? new TextEncoder().encode(data) : (data as Uint8Array<ArrayBuffer>)),
    resize: ({ cols, rows }) => socket.send(JSON.stringify({ type: 'resize', cols, rows })),
    exit,
    get bufferedBytes() {
      return socket.bufferedAmount
    },
    close: () => socket.close(),
  }
}
