import type { Api } from './message.ts'
import { withoutSecrets } from './wire/redact.ts'

/**
 * One request and its answer as they went over the wire: a line of what `warren models check` reads. Without the headers of
 * the request, where the key is.
 */
export interface Exchange {
  api: Api
  url: string
  /** The body that was sent. */
  request: string
  /** 0 where no answer came. */
  status: number
  headers: Record<string, string>
  /** The bytes that came as text, as base64 where they are none. */
  body: string
  bodyEncoding?: 'base64'
  /** The body was longer than what is kept. */
  truncated?: boolean
}

export type Tap = (exchange: Exchange) => void

/** Collects one exchange for `tap`, at most `maxBytes` of its answer. Does nothing where nobody taps. */
export class ExchangeRecorder {
  readonly #tap: Tap | undefined
  readonly #maxBytes: number
  readonly #sent: Pick<Exchange, 'api' | 'url' | 'request'>
  #status = 0
  #headers: Record<string, string> = {}
  #chunks: Uint8Array[] = []
  #bytes = 0
  #truncated = false

  constructor(tap: Tap | undefined, maxBytes: number, sent: Pick<Exchange, 'api' | 'url' | 'request'>) {
    this.#tap = tap
    this.#maxBytes = maxBytes
    this.#sent = sent
  }

  answered(response: Response): void {
    this.#status = response.status
    this.#headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'set-cookie'))
  }

  push(bytes: Uint8Array): void {
    if (!this.#tap) return
    const room = this.#maxBytes - this.#bytes
    const kept = bytes.byteLength > room ? bytes.subarray(0, room) : bytes
    if (kept.byteLength < bytes.byteLength) this.#truncated = true
    this.#bytes += kept.byteLength
    if (kept.byteLength > 0) this.#chunks.push(kept)
  }

  /** Hands the exchange over. A tap that throws spoils its own record only. */
  close(secrets: readonly string[]): void {
    if (!this.#tap) return
    const bytes = Buffer.concat(this.#chunks)
    const text = bytes.toString('utf8')
    const isText = Buffer.from(text).equals(bytes)
    const clean = (value: string) => withoutSecrets(value, secrets)
    try {
      this.#tap({
        ...this.#sent,
        request: clean(this.#sent.request),
        status: this.#status,
        headers: Object.fromEntries(Object.entries(this.#headers).map(([name, value]) => [name, clean(value)])),
        body: isText ? clean(text) : bytes.toString('base64'),
        ...(!isText && { bodyEncoding: 'base64' as const }),
        ...(this.#truncated && { truncated: true }),
      })
    } catch {}
  }
}
