import { newId } from '../../lib/id.ts'
import { chooseVersion } from '../choose-version.ts'
import type { FunctionDeps } from '../functions.ts'
import { runCall } from '../invocations/run-call.ts'
import type { Message, Queue } from './queue.ts'
import type { Queues } from './queues.ts'

/** Calls for one queue that are under way at the same time. */
const mostBatches = 10
/** What became visible by itself is seen so late, milliseconds. */
const lookMs = 1000
/** Messages are hidden for this longer than the call may take, seconds. */
const graceSeconds = 10

/** Gives the messages of queues to their functions. What a call succeeds with is deleted; the rest comes again. */
export class QueueConsumer {
  readonly #deps: FunctionDeps
  readonly #queues: Queues
  readonly #running = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #again = false
  #closed = false

  constructor(deps: FunctionDeps, queues: Queues) {
    this.#deps = deps
    this.#queues = queues
    queues.onSent = () => this.wake()
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), lookMs).unref()
    this.wake()
  }

  wake(): void {
    this.#again = true
    if (!this.#looking && !this.#closed) void this.#look()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    this.#looking = true
    try {
      while (this.#again && !this.#closed) {
        this.#again = false
        const stopped = this.#deps.stopped()
        for (const queue of await this.#queues.withFunction())
          if (!stopped.includes(queue.accountId)) await this.#take(queue)
      }
    } catch (error) {
      if (!this.#closed) this.#deps.logger.warn({ err: error }, 'queues could not be read; it is tried again')
    } finally {
      this.#looking = false
    }
  }

  async #take(queue: Queue): Promise<void> {
    const known = await this.#deps.store.byId(queue.functionId!)
    if (!known) return
    const version = chooseVersion(known)
    const hideSeconds = Math.max(queue.visibilitySeconds, version.settings.timeoutSeconds + graceSeconds)
    while ((this.#running.get(queue.id) ?? 0) < mostBatches && !this.#closed) {
      const messages = await this.#queues.receive(queue, { most: queue.batch, hideSeconds })
      if (messages.length === 0) return
      this.#running.set(queue.id, (this.#running.get(queue.id) ?? 0) + 1)
      void this.#give(queue, { known, version }, messages)
        .catch((error) =>
          this.#deps.logger.warn({ err: error, queue: queue.id }, 'messages could not be given to their function'),
        )
        .finally(() => {
          this.#running.set(queue.id, this.#running.get(queue.id)! - 1)
          this.wake()
        })
    }
  }

  async #give(
    queue: Queue,
    {
      known,
      version,
    }: { known: Awaited<ReturnType<FunctionDeps['store']['get']>>; version: ReturnType<typeof chooseVersion> },
    messages: Message[],
  ): Promise<void> {
    const payload = Buffer.from(JSON.stringify(eventOf(queue, messages)))
    const given = {
      record: known.record,
      version,
      id: newId('c'),
      trigger: 'queue' as const,
      attempt: 1,
      createdAt: Date.now(),
      waits: true,
    }
    const { finished, ended } = await runCall(this.#deps, { ...given, call: { payload, onChunk: () => undefined } })
    // First: a message that is gone and a call that nobody knows of would be one that was never metered.
    await this.#deps.recorder.add(ended)
    if (finished.outcome.ok) await this.#queues.delete(queue, messages)
  }
}

/** `Records` is what handlers written for another queue service look for. */
function eventOf({ name }: Queue, messages: readonly Message[]): object {
  return {
    queue: name,
    messages: messages.map(({ id, body, group, receives, enqueuedAt }) => ({ id, body, group, receives, enqueuedAt })),
    Records: messages.map(({ id, body, group, receives, receipt, enqueuedAt }) => ({
      messageId: id,
      receiptHandle: receipt,
      body: typeof body === 'string' ? body : JSON.stringify(body),
      attributes: {
        ApproximateReceiveCount: String(receives),
        SentTimestamp: String(enqueuedAt.getTime()),
        ...(group === undefined ? {} : { MessageGroupId: group }),
      },
      messageAttributes: {},
      eventSource: 'warren:queue',
      eventSourceARN: `arn:warren:queue:local:${name}`,
    })),
  }
}
