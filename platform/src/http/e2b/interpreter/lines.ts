import type { ContextEvent, ContextOutcome } from '../../../engine/guest/context-execution.ts'
import type { ContextResult } from '../../../engine/guest/context-result.ts'
import { signalName } from '../../../sandboxes/signal.ts'

/** A line of JSON in ASCII: clients decode each piece that arrives by itself, wherever it may have been cut. */
export function line(message: object): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return `${JSON.stringify(message).replace(/[\u007f-\uffff]/g, escaped)}\n`
}

/** What code prints and shows, as the messages of the contract. */
export async function* messages(events: AsyncIterable<ContextEvent>): AsyncGenerator<object> {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  const printed = (type: 'stdout' | 'stderr', text: string) => ({ type, text, timestamp: new Date().toISOString() })
  for await (const event of events) {
    if (event.stream === 'started') yield { type: 'number_of_executions', execution_count: event.count }
    else if (event.stream === 'result') yield resultMessage(event.result)
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

function resultMessage({ main, extra, text, ...forms }: ContextResult): object {
  const shown = text === undefined ? {} : { text: withoutQuotes(text) }
  return { type: 'result', is_main_result: main, ...shown, ...forms, extra }
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
