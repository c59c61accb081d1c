import type { ModelEvent, Outcome } from '../model.ts'
import { type Document, DocumentReader } from './documents.ts'
import { MessageBuilder } from './message-builder.ts'
import { readable } from './vendor-failure.ts'
import type { AnswerReader, Wire } from './wire.ts'

// A single event larger than this is no answer of a model.
const mostWaiting = 32 * 1024 * 1024

/** One successful answer on its way from bytes to events. */
export class Answer {
  readonly #documents = new DocumentReader()
  readonly #message: MessageBuilder
  readonly #reader: AnswerReader
  #complete = false

  constructor(wire: Wire, options: { model?: string; newId: () => string }) {
    this.#message = new MessageBuilder(wire.api, options)
    this.#reader = wire.newReader(this.#message)
  }

  push(bytes: Uint8Array): ModelEvent[] {
    this.#take(this.#documents.push(bytes))
    if (this.#documents.waiting > mostWaiting) this.#fail(`an event is larger than ${mostWaiting / 1024 / 1024} MiB`)
    return this.#message.takeEvents()
  }

  /** Nothing that comes will change the outcome. */
  get complete(): boolean {
    return this.#complete || this.#reader.complete || this.#message.failed
  }

  /** The body has ended, or is no longer wanted. */
  end(): Outcome & { before: ModelEvent[] } {
    if (!this.complete) this.#take(this.#documents.end())
    const outcome = this.#message.outcome()
    return { ...outcome, before: this.#message.takeEvents() }
  }

  #take(documents: Document[]): void {
    for (const document of documents) {
      if (this.complete) return
      if (document.type === 'json') this.#reader.take(document.value, document.event)
      else if (document.type === 'end') this.#takeEnd()
      else if (document.cut) this.#message.fail({ code: 'network', message: 'the answer was cut off' })
      else this.#fail(readable(document.text) ?? 'the answer is empty')
    }
  }

  /** Whole, though no reason to stop was told. */
  #takeEnd(): void {
    this.#complete = true
    if (this.#message.stopped) return
    if (this.#message.empty) this.#fail('the answer has nothing in it that a model says')
    else this.#message.stop('end')
  }

  #fail(message: string): void {
    this.#message.fail({ code: 'malformed', message })
  }
}
