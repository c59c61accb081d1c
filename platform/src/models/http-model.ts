import { ExchangeRecorder, type Tap } from './exchange.ts'
import type { Model, ModelEvent, ModelFailure, ModelRequest } from './model.ts'
import { Answer } from './wire/answer.ts'
import { redact } from './wire/redact.ts'
import { failureOfAnswer } from './wire/vendor-failure.ts'
import { Watch } from './wire/watch.ts'
import type { Wire } from './wire/wire.ts'

export interface ModelDeps {
  fetch: typeof globalThis.fetch
  now: () => number
  /** Ids for tool calls to which their vendor gave none. */
  newId: () => string
}

export interface HttpModelOptions {
  wire: Wire
  model: string
  /** As it appears in traces; the API and the model by default. */
  name?: string
  baseUrl?: string
  key?: string
  headers?: Record<string, string>
  /** False asks for the whole answer at once. */
  stream?: boolean
  /** How long nothing at all may come: not even a sign of life. Five minutes by default, as fetch has it. */
  idleMs?: number
  maxResponseBytes?: number
  tap?: Tap
  maxTapBytes?: number
}

const defaults = { idleMs: 300_000, maxResponseBytes: 64 * 1024 * 1024, maxTapBytes: 8 * 1024 * 1024 }
// Errors are short; what is longer is a page.
const maxErrorBytes = 256 * 1024
const drainMs = 1000

/** A model behind an HTTP API. */
export function httpModel(deps: ModelDeps, options: HttpModelOptions): Model {
  const { wire, model, key, name = `${wire.api}/${model}` } = options
  const secrets = [...(key ? [key] : []), ...secretsAmong(options.headers ?? {})]
  return {
    name,
    async *stream(request, signal) {
      const watch = new Watch(options.idleMs ?? defaults.idleMs, signal)
      try {
        for await (const event of ask(deps, { ...options, secrets }, { request, watch }))
          yield event.type === 'failed' ? { ...event, failure: withoutKeys(event.failure, secrets) } : event
      } catch (error) {
        yield { type: 'failed', failure: withoutKeys(watch.failureOf(error), secrets) }
      } finally {
        watch.close()
      }
    },
  }
}

type Asked = HttpModelOptions & { secrets: string[] }

async function* ask(
  deps: ModelDeps,
  options: Asked,
  { request, watch }: { request: ModelRequest; watch: Watch },
): AsyncGenerator<ModelEvent> {
  const { wire, model, stream = true, secrets } = options
  const url = wire.url((options.baseUrl ?? wire.defaultBaseUrl).replace(/\/+$/, ''), model, stream)
  const body = JSON.stringify(wire.writeRequest(request, { model, stream }))
  const record = new ExchangeRecorder(options.tap, options.maxTapBytes ?? defaults.maxTapBytes, {
    api: wire.api,
    url,
    request: body,
  })
  try {
    const response = await watch.wait(
      deps.fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: stream ? 'text/event-stream, application/json' : 'application/json',
          ...wire.headers(options.key),
          ...options.headers,
        },
        body,
        signal: watch.signal,
        // The key goes to nobody else.
        redirect: 'manual',
      }),
    )
    record.answered(response)
    if (!response.ok) yield { type: 'failed', failure: await readFailure(deps, response, { watch, record }) }
    else yield* readAnswer(deps, options, { response, watch, record })
  } finally {
    record.close(secrets)
  }
}

interface Reading {
  watch: Watch
  record: ExchangeRecorder
}

async function* readAnswer(
  deps: ModelDeps,
  options: Asked,
  { response, watch, record }: Reading & { response: Response },
): AsyncGenerator<ModelEvent> {
  const answer = new Answer(options.wire, { model: options.model, newId: deps.newId })
  const reader = response.body?.getReader()
  const mostBytes = options.maxResponseBytes ?? defaults.maxResponseBytes
  let bytes = 0
  let broken: unknown
  try {
    while (reader && !answer.complete) {
      const { done, value } = await watch.wait(reader.read())
      if (done) break
      record.push(value)
      bytes += value.byteLength
      if (bytes > mostBytes) throw new TooLarge(mostBytes)
      yield* answer.push(value)
    }
  } catch (error) {
    broken = error
  }
  if (answer.complete && reader && broken === undefined) {
    watch.release()
    drain(reader)
  }
  const { before, ...outcome } = answer.end()
  yield* before
  // A connection that breaks after the reason to stop was told has taken nothing away.
  if (broken === undefined || outcome.type === 'done') yield outcome
  else
    yield {
      type: 'failed',
      failure: broken instanceof TooLarge ? { code: 'malformed', message: broken.message } : watch.failureOf(broken),
      ...(outcome.partial && { partial: outcome.partial }),
    }
}

class TooLarge extends Error {
  constructor(mostBytes: number) {
    super(`the answer is larger than ${Math.floor(mostBytes / 1024)} KiB`)
  }
}

/** Reads to the end what carries nothing any more, so that the connection can be used again. */
function drain(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), drainMs)
  timer.unref()
  const read = async () => {
    while (!(await reader.read()).done);
  }
  read()
    .catch(() => {})
    .finally(() => clearTimeout(timer))
}

async function readFailure(deps: ModelDeps, response: Response, { watch, record }: Reading): Promise<ModelFailure> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    const reader = response.body?.getReader()
    while (reader && bytes < maxErrorBytes) {
      const { done, value } = await watch.wait(reader.read())
      if (done) break
      record.push(value)
      chunks.push(value)
      bytes += value.byteLength
    }
  } catch (error) {
    // What the status says is known all the same.
    if (watch.cancelled) return watch.failureOf(error)
  }
  return failureOfAnswer(response.status, response.headers, Buffer.concat(chunks).toString('utf8'), deps.now())
}

function secretsAmong(headers: Record<string, string>): string[] {
  const names = Object.keys(headers).filter((name) => /auth|key|token|cookie|secret/i.test(name))
  return names.map((name) => headers[name]!)
}

function withoutKeys(failure: ModelFailure, secrets: string[]): ModelFailure {
  return { ...failure, message: redact(failure.message, secrets) }
}
