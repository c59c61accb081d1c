import type { Message, Read, Written } from './message.ts'

/** What every call has, whichever door it came in by. */
export interface CallTimes {
  /** Aborts when nobody waits for the answer any more. */
  signal: AbortSignal
  /** After so many milliseconds the caller wants no answer any more. */
  timeoutMs: number | undefined
  /** A stream that was silent for so long says that it is there, milliseconds. */
  keepaliveMs: number
}

/** A procedure: one message in, one out; a stream of them out; or a stream of them in. `C` says who calls. */
export type Procedure<C> =
  | { kind: 'unary'; input: Message; output: Message; run: (call: C, input: never) => Promise<object> }
  | { kind: 'server-stream'; input: Message; output: Message; run: (call: C, input: never) => AsyncIterable<object> }
  | {
      kind: 'client-stream'
      input: Message
      output: Message
      run: (call: C, input: AsyncIterable<never>) => Promise<object>
    }

export function unary<C, I extends Message, O extends Message>(
  input: I,
  output: O,
  run: (call: C, input: Read<I>) => Promise<Written<O>>,
): Procedure<C> {
  return { kind: 'unary', input, output, run }
}

export function serverStream<C, I extends Message, O extends Message>(
  input: I,
  output: O,
  run: (call: C, input: Read<I>) => AsyncIterable<Written<O>>,
): Procedure<C> {
  return { kind: 'server-stream', input, output, run }
}

export function clientStream<C, I extends Message, O extends Message>(
  input: I,
  output: O,
  run: (call: C, input: AsyncIterable<Read<I>>) => Promise<Written<O>>,
): Procedure<C> {
  return { kind: 'client-stream', input, output, run }
}
