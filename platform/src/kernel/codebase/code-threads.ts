import { deserialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { Finding, Inspected } from '../hazards/hazard.ts'
import type { AnalyseRequest } from './analyse.ts'
import { type Analysis, bordersOf, completed } from './analysis.ts'
import type { CodeAnswer, CodeRequest } from './code-thread.ts'
import type { LocateRequest, Occurrence } from './locate.ts'
import type { SearchRequest, TextMatch } from './search-text.ts'

interface Job {
  request: CodeRequest
  resolve: (value: never) => void
  reject: (error: Error) => void
  signal: AbortSignal | undefined
}

interface Thread {
  worker: Worker
  job: Job | undefined
  deadline: NodeJS.Timeout | undefined
}

/** A thread that takes longer is ended: what it is given comes from strangers. */
const mostJobMs = 10_000
/** An idle thread holds grammars and trees, some 60 MB. */
const idleMs = 60_000

/** Threads that read code, made when they are needed and ended when they are not. What breaks one breaks its job alone. */
export class CodeThreads {
  readonly #most: number
  readonly #jobMs: number
  readonly #threads = new Set<Thread>()
  readonly #waiting: Job[] = []
  #idle: NodeJS.Timeout | undefined
  #isClosed = false

  constructor({ most, jobMs = mostJobMs }: { most: number; jobMs?: number }) {
    this.#most = most
    this.#jobMs = jobMs
  }

  /** With `packed`, the same as bytes to be kept, where it is of the content alone. The parts of `previous` are taken over. */
  async analyse(request: AnalyseRequest, signal?: AbortSignal): Promise<{ analysis: Analysis; packed?: Uint8Array }> {
    const { previous } = request
    const borders = previous && { ...previous, analysis: bordersOf(previous.analysis) }
    const packed = await this.#run<Uint8Array>({ type: 'analyse', ...request, previous: borders }, signal)
    const analysis: Analysis = deserialize(packed)
    return previous ? { analysis: completed(analysis, previous.analysis) } : { analysis, packed }
  }

  locate(request: LocateRequest, signal?: AbortSignal): Promise<Occurrence[]> {
    return this.#run({ type: 'locate', ...request }, signal)
  }

  search(request: SearchRequest, signal?: AbortSignal): Promise<TextMatch[]> {
    return this.#run({ type: 'search', ...request }, signal)
  }

  /** Before all that waits: a call of a tool waits for it. */
  inspect(given: readonly Inspected[], signal?: AbortSignal): Promise<Finding[]> {
    return this.#run({ type: 'inspect', given }, signal, true)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#idle)
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('reading code was given up'))
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, 'reading code was given up')))
  }

  #run<T>(request: CodeRequest, signal: AbortSignal | undefined, isFirst = false): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error('reading code was given up'))
    return new Promise((resolve, reject) => {
      this.#waiting[isFirst ? 'unshift' : 'push']({ request, resolve, reject, signal })
      this.#next()
    })
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      let thread = [...this.#threads].find(({ job }) => !job)
      if (!thread) {
        if (this.#threads.size >= this.#most) return
        thread = this.#start()
      }
      this.#give(thread, this.#waiting.shift()!)
    }
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      for (const thread of this.#threads) if (!thread.job) void this.#end(thread, '')
    }, idleMs).unref()
  }

  #give(thread: Thread, job: Job): void {
    if (job.signal?.aborted) {
      job.reject(job.signal.reason)
      return
    }
    thread.job = job
    thread.deadline = setTimeout(
      () => void this.#end(thread, `it took longer than ${this.#jobMs / 1000} s`),
      this.#jobMs,
    )
    thread.worker.ref()
    thread.worker.postMessage(job.request)
  }

  #start(): Thread {
    const worker = new Worker(new URL('./code-thread.ts', import.meta.url), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
    })
    const thread: Thread = { worker, job: undefined, deadline: undefined }
    this.#threads.add(thread)
    worker.on('message', (answer: CodeAnswer) => {
      const { job } = thread
      clearTimeout(thread.deadline)
      thread.job = undefined
      worker.unref()
      if ('error' in answer) job?.reject(new Error(answer.error))
      else job?.resolve(answer.value as never)
      this.#next()
    })
    worker.on('error', (error) => void this.#end(thread, error.message))
    worker.on('exit', () => void this.#end(thread, 'the thread that read it has ended'))
    worker.unref()
    return thread
  }

  async #end(thread: Thread, reason: string): Promise<void> {
    if (!this.#threads.delete(thread)) return
    clearTimeout(thread.deadline)
    thread.job?.reject(new Error(reason))
    await thread.worker.terminate()
    if (!this.#isClosed) this.#next()
  }
}
