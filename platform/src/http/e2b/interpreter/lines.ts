import type { ContextEvent, ContextOutcome } from '../../../engine/guest/context-execution.ts'
import type { ContextResult, WrittenValues } from '../../../engine/guest/context-result.ts'
import { signalName } from '../../../sandboxes/signal.ts'

/** A line of JSON in ASCII: clients decode each piece that arrives by itself, wherever it may have been cut. */
export const line = (message: object): string => inAscii(JSON.stringify(message))

function inAscii(json: string): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return `${json.replace(/[\u007f-\uffff]/g, escaped)}\n`
}

/** What code prints and shows, as the messages of the contract. */
export async function* lines(events: AsyncIterable<ContextEvent>): AsyncGenerator<string> {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  const printed = (type: 'stdout' | 'stderr', text: string) => line({ type, text, timestamp: new Date().toISOString() })
  for await (const event of events) {
    if (event.stream === 'started') yield line({ type: 'number_of_executions', execution_count: event.count })
    else if (event.stream === 'result') yield resultLine(event.result, event.written)
    else {
      const text = decoders[event.stream].decode(event.data, { stream: true })
      if (text) yield printed(event.stream, text)
    }
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = decoders[stream].decode()
    if (rest) yield printed(stream, rest)
  }
}

/** Values are passed on as they were written: a client of Python tells 1.0 from 1. */
function resultLine({ main, extra, text, ...forms }: ContextResult, written: WrittenValues): string {
  const shown = text === undefined ? {} : { text: withoutQuotes(text) }
  const ours = Object.entries(forms).filter(([name]) => !Object.hasOwn(written, name))
  const message = { type: 'result', is_main_result: main, ...shown, ...Object.fromEntries(ours), extra }
  // Between tokens JSON may have ends of lines, which end a message here.
  const theirs = Object.entries(written).map(([name, json]) => `,"${name}":${json.replace(/[\r\n]/g, ' ')}`)
  return inAscii(`${JSON.stringify(message).slice(0, -1)}${theirs.join('')}}`)
}

/** Texts are shown as texts, not as the source code of texts. */
function withoutQuotes(text: string): string {
  const quote = text[0]
  const isQuoted = text.length > 1 && (quote === "'" || quote === '"') && text.endsWith(quote)
  return isQuoted ? text.slice(1, -1) : text
}

/** What is told of code that did not come to its end; undefined of code that did. */
export function errorMessage({ reason, error, exitCode, signal }: ContextOutcome): object | undefined {
  if (reason === 'completed') return undefined
  if (error) return { type: 'error', name: error.name, value: error.message, traceback: error.traceback }
  const how = signal === undefined ? `with exit code ${exitCode ?? '?'}` : `by ${signalName(signal)}`
  const value =
    reason === 'out_of_memory'
      ? 'the sandbox ran out of memory: the interpreter was killed, what it has been told is gone'
      : `the interpreter ended ${how}: what it has been told is gone`
  return {
    type: 'error',
    name: reason === 'out_of_memory' ? 'OutOfMemory' : 'InterpreterDied',
    value,
    traceback: value,
  }
}
