import type { Logger } from './logger.ts'
import { rareWarning } from './rare-warning.ts'
import type { Span } from './spans.ts'

/** What waits at most; more is given up. */
const mostWaiting = 4096
const mostAtOnce = 512
const everyMs = 1000
const patienceMs = 5000
const warnEveryMs = 60_000

/** Numbers of OpenTelemetry's protocol. */
const kinds = { internal: 1, server: 2, client: 3 } as const
const failed = 2

interface ExporterOptions {
  /** Address of the collector, without `/v1/traces`. */
  endpoint: string
  headers: Record<string, string>
  service: string
  logger: Pick<Logger, 'warn'>
}

/** Sends spans to a collector by OTLP over HTTP, in JSON. Nobody waits for it, and what it cannot send is counted and given up. */
export class OtlpExporter {
  readonly #options: ExporterOptions
  readonly #timer: NodeJS.Timeout
  #waiting: Span[] = []
  #sending: Promise<void> | undefined
  readonly #warn: (reason: Error) => void
  /** Spans that were given up since the start. */
  dropped = 0

  constructor(options: ExporterOptions) {
    this.#options = options
    this.#warn = rareWarning(options.logger, { text: 'spans were not exported', everyMs: warnEveryMs })
    this.#timer = setInterval(() => this.#go(), everyMs).unref()
  }

  add(span: Span): void {
    if (this.#waiting.length >= mostWaiting) {
      this.dropped++
      return
    }
    this.#waiting.push(span)
    if (this.#waiting.length >= mostAtOnce) this.#go()
  }

  /** Sends what waits, once. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#sending
    this.#go()
    await this.#sending
  }

  #go(): void {
    if (this.#sending || this.#waiting.length === 0) return
    this.#sending = this.#send(this.#waiting.splice(0, mostAtOnce)).finally(() => {
      this.#sending = undefined
      if (this.#waiting.length >= mostAtOnce) this.#go()
    })
  }

  async #send(spans: readonly Span[]): Promise<void> {
    const { endpoint, headers, service } = this.#options
    try {
      const answer = await fetch(`${endpoint}/v1/traces`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(requestOf(spans, service)),
        redirect: 'error',
        signal: AbortSignal.timeout(patienceMs),
      })
      await answer.body?.cancel()
      if (!answer.ok) throw new Error(`the collector answered ${answer.status}`)
    } catch (error) {
      this.dropped += spans.length
      const { cause } = error as Error
      this.#warn(cause instanceof Error ? cause : (error as Error))
    }
  }
}

/** As opentelemetry-proto has it, in the JSON form: ids in hexadecimal, times as text. */
function requestOf(spans: readonly Span[], service: string): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: attributesOf({ 'service.name': service }) },
        scopeSpans: [{ scope: { name: 'warren' }, spans: spans.map(spanOf) }],
      },
    ],
  }
}

function spanOf({ context, name, kind, startedAtMs, endedAtMs, attributes, failure }: Span): object {
  const { traceId, spanId, parentId } = context
  return {
    ...{ traceId, spanId, ...(parentId && { parentSpanId: parentId }) },
    ...{ name, kind: kinds[kind] },
    ...{ startTimeUnixNano: nanos(startedAtMs), endTimeUnixNano: nanos(endedAtMs) },
    attributes: attributesOf(attributes),
    status: failure === undefined ? {} : { code: failed, message: failure },
  }
}

function nanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n)
}

function attributesOf(values: Span['attributes']): object[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: wireValue(value) }))
}

function wireValue(value: Span['attributes'][string]): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { intValue: String(Math.round(value)) }
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } }
}
