import { setTimeout as delay } from 'node:timers/promises'
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import type { GuestProcess, ProcessExit } from '../../engine/guest/process.ts'
import { ToolError } from '../tools/tool.ts'

/** So much of what it says on its standard error is shown when it ends. */
const mostLastWords = 2000
/** To find out how it ended. */
const lastWordsMs = 3000

interface ProgramTransportOptions {
  parse: (line: string) => JSONRPCMessage
  /** No line is longer. */
  mostBytes: number
  /** The same process, over another connection to its sandbox. */
  again: (processId: string, signal: AbortSignal) => Promise<GuestProcess>
  /** Over another connection too: on its own one, what it does not read stands before everything. */
  kill: () => Promise<void>
  /** The program asks for something; false where it does so too often. */
  onRequest: () => boolean
}

/** Messages by lines of a program's standard input and output, in a sandbox: what comes from there is bounded and may be anything. */
export class ProgramTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: Transport['onmessage']
  /** Why it is over, once it is. */
  fault: ToolError | undefined
  readonly #process: GuestProcess
  readonly #given: ProgramTransportOptions
  #writing: Promise<void> = Promise.resolve()
  #unwrittenBytes = 0
  #line: Buffer[] = []
  #lineBytes = 0
  #lastWords = ''
  readonly #over = Promise.withResolvers<void>()
  #isOver = false
  /** How it ended is being found out. */
  #isLost = false

  constructor(process: GuestProcess, given: ProgramTransportOptions) {
    this.#process = process
    this.#given = given
  }

  start(): Promise<void> {
    void this.#listen()
    return Promise.resolve()
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#isOver) throw this.fault ?? new ToolError('mcp_server_gone', 'it has ended', { transient: true })
    const line = Buffer.from(`${JSON.stringify(message)}\n`)
    if (this.#unwrittenBytes > 0 && this.#unwrittenBytes + line.length > this.#given.mostBytes) {
      const text = `it leaves more than ${this.#given.mostBytes} bytes unread`
      this.breakOff(new ToolError('mcp_server_gone', text, { transient: true }))
      throw this.fault
    }
    this.#unwrittenBytes += line.length
    // Whole lines, one after the other.
    const written = this.#writing.then(() => this.#process.write(line))
    this.#writing = written.then(
      () => this.#wrote(line.length),
      () => this.#wrote(line.length),
    )
    try {
      await written
    } catch (error) {
      // It has ended, and how it did is about to be told.
      await Promise.race([this.#over.promise, delay(2 * lastWordsMs, undefined, { ref: false })])
      throw this.fault ?? error
    }
  }

  async close(): Promise<void> {
    if (this.#isLost) await this.#over.promise
    if (this.#isOver) return
    this.#end(new ToolError('mcp_server_gone', 'it was closed', { transient: true }))
    // It may hang, and has been asked nothing that it should finish.
    await this.#given.kill().catch(() => {})
    this.#process.detach()
  }

  /** Ends it for what it does. */
  breakOff(fault: ToolError): void {
    this.#end(fault)
    void this.#given
      .kill()
      .catch(() => {})
      .then(() => this.#process.detach())
  }

  #wrote(bytes: number): void {
    this.#unwrittenBytes -= bytes
  }

  async #listen(): Promise<void> {
    try {
      for await (const { stream, data } of this.#process.output()) {
        if (stream === 'stderr') this.#note(data)
        else this.#take(data)
        if (this.#isOver) return
      }
      this.#end(this.#ended(await this.#process.exit))
    } catch (error) {
      // What it said last is lost with a connection that was written to when it had ended; the sandbox still has it.
      this.#isLost = true
      const told = await this.#lastOf().catch(() => undefined)
      this.#end(told ?? new ToolError('mcp_server_gone', (error as Error).message, { transient: true, cause: error }))
    }
  }

  async #lastOf(): Promise<ToolError> {
    const process = await this.#given.again(this.#process.id, AbortSignal.timeout(lastWordsMs))
    const timer = setTimeout(() => process.detach(), lastWordsMs)
    try {
      this.#lastWords = ''
      for await (const { stream, data } of process.output()) if (stream === 'stderr') this.#note(data)
      return this.#ended(await process.exit)
    } finally {
      clearTimeout(timer)
    }
  }

  #note(data: Buffer): void {
    this.#lastWords = (this.#lastWords + data.toString('utf8')).slice(-mostLastWords)
  }

  #ended({ exitCode, signal, reason }: ProcessExit): ToolError {
    const how = reason === 'exited' ? `with exit code ${exitCode}` : `(${reason}${signal ? ` ${signal}` : ''})`
    const words = this.#lastWords.trim()
    const text = `the program has ended ${how}${words ? `: ${words}` : ''}`
    return new ToolError('mcp_server_gone', text, { transient: true })
  }

  #take(data: Buffer): void {
    let from = 0
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
      this.#line.push(data.subarray(from, at))
      this.#hear(Buffer.concat(this.#line).toString('utf8').trim())
      this.#line = []
      this.#lineBytes = 0
      from = at + 1
    }
    const rest = data.subarray(from)
    this.#lineBytes += rest.length
    const { mostBytes } = this.#given
    if (this.#lineBytes > mostBytes)
      this.breakOff(new ToolError('result_too_large', `it answers more than ${mostBytes} bytes in one line`))
    else if (rest.length > 0) this.#line.push(rest)
  }

  #hear(line: string): void {
    // Many programs say other things there too.
    if (!line.startsWith('{')) return
    let message: JSONRPCMessage
    try {
      message = this.#given.parse(line)
    } catch (error) {
      this.onerror?.(error as Error)
      return
    }
    if ('method' in message && 'id' in message && !this.#given.onRequest()) return
    this.onmessage?.(message)
  }

  #end(fault: ToolError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.fault = fault
    this.#line = []
    this.#over.resolve()
    this.onclose?.()
  }
}
