import { errorFromEvent, WarrenError } from './error.ts'
import { chunkFromEvent, type OutputChunk } from './output-chunk.ts'
import type { Transport } from './transport.ts'

export type Language = 'python' | 'javascript' | 'typescript' | 'bash'

/** Where and as whom a process runs. */
export interface ProcessOptions {
  env?: Record<string, string> | undefined
  cwd?: string | undefined
  /** Default `user`. */
  user?: string | undefined
  /** Seconds after which the process is ended. */
  timeout?: number | undefined
}

/** Called with each piece of output as it comes. What they return is awaited: a slow reader slows the process down. */
export interface OutputCallbacks {
  onStdout?: ((text: string, chunk: OutputChunk) => unknown) | undefined
  onStderr?: ((text: string, chunk: OutputChunk) => unknown) | undefined
}

export interface ExecuteOptions extends ProcessOptions, OutputCallbacks {
  /** Given to the process as its standard input. */
  stdin?: string | undefined
  /** Aborting kills the process. */
  signal?: AbortSignal | undefined
}

/** How a process ended. */
export interface ProcessExit {
  /** null when a signal ended it. */
  exitCode: number | null
  /** The signal that ended it, such as `SIGKILL`. */
  signal?: string
  reason: 'exited' | 'signaled' | 'timeout' | 'out_of_memory'
  /** Run time in milliseconds. */
  ms: number
}

export interface ExecuteResult extends ProcessExit {
  stdout: string
  stderr: string
  /** There was more than the 8 MiB of each stream that a result holds. Callbacks get all of it. */
  truncated: boolean
}

/** Runs a program in the sandbox at `path` and waits for its end, streamed if somebody listens. */
export async function execute(
  transport: Transport,
  path: string,
  program: { code: string; language?: Language | undefined } | { command: string | string[] },
  { onStdout, onStderr, signal, ...rest }: ExecuteOptions,
): Promise<ExecuteResult> {
  const json = { ...program, ...rest }
  if (!onStdout && !onStderr) return transport.json('POST', `${path}/execute`, { json, signal })

  const kept = { stdout: keepHead(), stderr: keepHead() }
  for await (const { event, data } of transport.events('POST', `${path}/execute`, { json, signal })) {
    const chunk = chunkFromEvent(event, data)
    if (chunk) {
      kept[chunk.stream].add(chunk.text)
      await (chunk.stream === 'stdout' ? onStdout : onStderr)?.(chunk.text, chunk)
    } else if (event === 'exit') {
      const { stdout, stderr } = kept
      const truncated = stdout.truncated() || stderr.truncated()
      return { stdout: stdout.text(), stderr: stderr.text(), truncated, ...(data as ProcessExit) }
    } else if (event === 'error') throw errorFromEvent(data)
  }
  throw new WarrenError('unavailable', 'the stream ended before the process did')
}

const maxKept = 8 * 1024 * 1024

/** Collects text up to a limit, so that endless output does not fill the memory of the caller. */
export function keepHead() {
  const parts: string[] = []
  let length = 0
  let truncated = false
  return {
    add(text: string): void {
      if (length + text.length > maxKept) truncated = true
      else parts.push(text)
      length += text.length
    },
    text: () => parts.join(''),
    truncated: () => truncated,
  }
}
