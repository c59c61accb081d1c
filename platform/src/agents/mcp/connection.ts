import type { Client, Transport } from '@modelcontextprotocol/client'
import type { Account } from '../../accounts/account.ts'
import type { AddressRange } from '../../engine/network/addresses.ts'
import { coversHost, fillPlaceholders, type Placeholder, secretsIn } from '../../engine/network/outgoing.ts'
import { inTime } from '../../lib/in-time.ts'
import type { RevealedSecret } from '../../secrets/secret.ts'
import type { Redactor } from '../safety/redactor.ts'
import type { RunSandbox, SandboxHands } from '../tools/run-sandbox.ts'
import { ToolError, type ToolResult } from '../tools/tool.ts'
import { Allowance, type Limits, usualAllowance } from './allowance.ts'
import { fingerprintOf, type ListedTool, type McpTool } from './definition.ts'
import { asFailure } from './failure.ts'
import { judgedFetch } from './judged-fetch.ts'
import { ProgramTransport } from './program-transport.ts'
import { resultText } from './result-text.ts'
import type { McpServer } from './server.ts'

/** No message of a server is longer. */
const mostBytes = 10 * 1024 * 1024
/** From the first message, or the start of the program, to the list of its tools. */
const openMs = 30_000
const closeMs = 5000
const mostReopened = 2
/** A program that did not answer a call in time has this long to show that it is alive. */
const pingMs = 1000
const sigkill = 9

/** What connections to servers of tools stand on. */
export interface McpDeps {
  /** Private ranges that the operator opens. */
  open: readonly AddressRange[]
  revealSecrets: (accountId: string, names: readonly string[]) => Promise<RevealedSecret[]>
}

interface ConnectionOptions extends McpDeps {
  server: McpServer
  account: Account
  redactor: Redactor
  sandbox: RunSandbox
  hands: Pick<SandboxHands, 'running'>
}

interface ConnectionLimits {
  openMs: number
  allowance: Limits
}

interface Opened {
  client: Client
  tools: ListedTool[]
  /** What is wrong with the connection, where it has an own word for that. */
  fault: () => ToolError | undefined
  /** Of what it makes the platform do by itself. */
  allowance?: Allowance
  isOver: boolean
}

/** One server, for one run. Opened when it is first needed, and again when it has died; failures are `ToolError`s. */
export class McpConnection {
  readonly #given: ConnectionOptions
  readonly #limits: ConnectionLimits
  readonly #closing = new AbortController()
  #opening: Promise<Opened> | undefined
  /** Whether the program still answers; the next call waits for that. */
  #checking: Promise<void> | undefined

  constructor(given: ConnectionOptions, limits: ConnectionLimits = { openMs, allowance: usualAllowance }) {
    this.#given = given
    this.#limits = limits
  }

  async list(signal: AbortSignal): Promise<ListedTool[]> {
    return (await this.#opened(signal)).tools
  }

  async call(wanted: McpTool, args: Record<string, unknown>, signal: AbortSignal): Promise<ToolResult> {
    const opened = await this.#opened(signal)
    const now = opened.tools.find(({ name }) => name === wanted.tool)
    if (!now || fingerprintOf(now) !== wanted.fingerprint) {
      const what = now ? 'describes it in another way' : 'has it no more'
      throw new ToolError('tool_changed', `since the run began the server ${what}`, { happened: false })
    }
    opened.allowance?.renew()
    try {
      const params = { name: wanted.tool, arguments: args }
      // The time limit is that of whoever calls.
      const answer = await opened.client.callTool(params, { signal, timeout: 2 ** 31 - 1 })
      return resultText(answer)
    } catch (error) {
      if (signal.aborted) this.#checking = this.#closeUnlessAlive(opened)
      throw this.#failed(opened, error)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const opened = await this.#opening?.catch(() => undefined)
    if (opened) await closed(opened.client)
  }

  async #opened(signal: AbortSignal): Promise<Opened> {
    await this.#checking
    for (let reopened = 0; ; reopened++) {
      this.#opening ??= this.#open()
      const seen = this.#opening
      // Of several calls that saw the same one end, only the first replaces it.
      const forget = () => {
        if (this.#opening === seen) this.#opening = undefined
      }
      seen.catch(forget)
      const there = await unlessAborted(seen, signal, notReached)
      // One that ends whenever it is opened tells so when it is called.
      if (!there.isOver || reopened === mostReopened) return there
      forget()
    }
  }

  /** Comes to an end, whatever the server does or does not: what still goes on then is closed when it is there. */
  async #open(): Promise<Opened> {
    const { server, account, sandbox, hands } = this.#given
    const closing = this.#closing.signal
    // Has its own limits; the first start of a sandbox may take longer than a server may.
    if (server.command)
      await unlessAborted(
        sandbox.id().then((id) => hands.running({ account, id })),
        closing,
        notReached,
      )
    const { Client } = await import('@modelcontextprotocol/client')
    const late = AbortSignal.timeout(this.#limits.openMs)
    const limit = AbortSignal.any([closing, late])
    const client = new Client(
      { name: 'warren', title: 'Warren', version: '0.1.0' },
      {
        // Some programs end when they are asked what they do not know before they are greeted.
        versionNegotiation: { mode: server.url ? 'auto' : 'legacy' },
        inputRequired: { autoFulfill: false },
        // A stranger's schema can be made to take for ever.
        jsonSchemaValidator: {
          getValidator: () => (input) => ({ valid: true, data: input as never, errorMessage: undefined }),
        },
        listMaxPages: 16,
      },
    )
    const opened: Opened = { client, tools: [], fault: () => undefined, isOver: false }
    client.onclose = () => {
      opened.isOver = true
    }
    const connecting = this.#connect(opened, limit)
    try {
      await unlessAborted(connecting, limit, () =>
        late.aborted ? new ToolError('timeout', 'it did not say in time what tools it has') : notReached(),
      )
      return opened
    } catch (error) {
      const failure = this.#failed(opened, error)
      void connecting.catch(() => {}).then(() => closed(client))
      await closed(client)
      throw new ToolError(failure.code, failure.message, {
        transient: failure.transient,
        happened: false,
        cause: failure,
      })
    }
  }

  async #connect(opened: Opened, signal: AbortSignal): Promise<void> {
    const { client } = opened
    const { server } = this.#given
    const limit = { timeout: this.#limits.openMs, signal }
    if (server.url) {
      const transport = await this.#httpTransport(new URL(server.url), opened)
      signal.throwIfAborted()
      await client.connect(transport, limit)
    } else await client.connect(await this.#programTransport(opened, signal), limit)
    if (client.getServerCapabilities()?.tools)
      opened.tools = (await client.listTools(undefined, limit)).tools as ListedTool[]
  }

  #failed(opened: Opened, error: unknown): ToolError {
    const failure = opened.fault() ?? asFailure(error)
    if (failure.code === 'mcp_server_gone') opened.isOver = true
    return failure
  }

  async #closeUnlessAlive(opened: Opened): Promise<void> {
    if (!this.#given.server.command) return
    await opened.client.ping({ timeout: pingMs }).catch(() => closed(opened.client))
  }

  async #httpTransport(url: URL, opened: Opened) {
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client')
    const headers = await this.#headers(url.hostname)
    const { open } = this.#given
    let broken: ToolError | undefined
    const onBroken = (error: Error) => {
      broken ??= asFailure(error)
      void transport.close().catch(() => {})
    }
    opened.fault = () => broken
    const fetch = judgedFetch({ open, headers, origin: url.origin, mostBytes, onBroken })
    const allowance = new Allowance(this.#limits.allowance, onBroken)
    opened.allowance = allowance
    const reconnectionOptions = {
      initialReconnectionDelay: 500,
      maxReconnectionDelay: 5000,
      reconnectionDelayGrowFactor: 2,
      maxRetries: 3,
    }
    const reconnectionScheduler = (connect: () => void, ms: number) => allowance.reconnect(connect, ms)
    const options = { fetch, reconnectionOptions, reconnectionScheduler }
    const transport: Transport = new StreamableHTTPClientTransport(url, options)
    // The client hears of both after this.
    transport.onmessage = (message) => {
      if ('method' in message && 'id' in message) allowance.take('requests')
    }
    transport.onclose = () => allowance.end()
    return transport
  }

  /** With the secrets in them, which nobody reads in the journal from now on. */
  async #headers(host: string): Promise<Record<string, string>> {
    const { server, account, revealSecrets, redactor } = this.#given
    const { headers = {} } = server
    const names = [...new Set(Object.values(headers).flatMap(secretsIn))]
    if (names.length === 0) return headers
    const found = await revealSecrets(account.id, names)
    redactor.know(found.map(({ value }) => value))
    const filledBy = ({ of, name }: Placeholder) => {
      if (of === 'identity')
        throw new ToolError('forbidden', 'identity tokens are of sandboxes alone', { happened: false })
      const secret = found.find((one) => one.name === name)
      if (!secret) throw new ToolError('no_secret', `there is no secret "${name}"`, { happened: false })
      if (secret.hosts.length > 0 && !coversHost(secret.hosts, host))
        throw new ToolError('forbidden', `the secret "${name}" may not be sent to ${host}`, { happened: false })
      return secret.value
    }
    return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fillPlaceholders(value, filledBy)]))
  }

  async #programTransport(opened: Opened, signal: AbortSignal): Promise<ProgramTransport> {
    const { parseJSONRPCMessage } = await import('@modelcontextprotocol/client')
    const { server, account, sandbox, hands } = this.#given
    const { guest } = await hands.running({ account, id: await sandbox.id() })
    const tag = `mcp:${server.name}`
    // One that an earlier process of the platform has started hears nobody any more.
    for (const { id, tag: other, state } of await guest.processes())
      if (other === tag && state === 'running') await guest.signal(id, sigkill).catch(() => {})
    const { command, env, cwd } = server
    const process = await guest.exec({
      argv: command!,
      stdin: true,
      tag,
      ...(env && { env }),
      ...(cwd !== undefined && { cwd }),
    })
    const transport = new ProgramTransport(process, {
      mostBytes,
      parse: (line) => parseJSONRPCMessage(JSON.parse(line)),
      again: (id, until) => guest.attach(id, {}, until),
      kill: () => guest.signal(process.id, sigkill),
      onRequest: () => allowance.take('requests'),
    })
    const allowance = new Allowance(this.#limits.allowance, (fault) => transport.breakOff(fault))
    opened.allowance = allowance
    opened.fault = () => transport.fault
    if (signal.aborted) await transport.close()
    signal.throwIfAborted()
    return transport
  }
}

function notReached(): ToolError {
  return new ToolError('cancelled', 'it was not reached in time', { happened: false })
}

/** What `work` comes to, or else what `why` makes once `signal` aborts; the work itself goes on. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, why: () => Error): Promise<T> {
  const given = Promise.withResolvers<never>()
  const give = () => given.reject(why())
  signal.addEventListener('abort', give, { once: true })
  try {
    if (signal.aborted) give()
    return await Promise.race([work, given.promise])
  } finally {
    signal.removeEventListener('abort', give)
  }
}

/** A sandbox that takes nothing any more does not hold up who is done with it. */
async function closed(client: Client): Promise<void> {
  await inTime(client.close(), closeMs, () => new Error('it does not close')).catch(() => {})
}
