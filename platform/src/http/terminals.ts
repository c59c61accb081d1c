import type { IncomingMessage } from 'node:http'
import { constants } from 'node:os'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Account } from '../accounts/account.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Held } from '../accounts/reauthorization.ts'
import { authorize } from '../accounts/roles.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { GuestProcess } from '../engine/guest/process.ts'
import { WarrenError } from '../errors.ts'
import type { Sandboxes } from '../sandboxes/sandboxes.ts'
import type { Logger } from '../telemetry/logger.ts'
import { auditInside } from './audit-inside.ts'
import { connectConsole } from './console.ts'
import { keyProtocolPrefix } from './credentials.ts'
import { exitView } from './exit-view.ts'
import type { Gateway } from './gateway/gateway.ts'
import { type Problem, problemOf } from './problem.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { switchedStatus, upgradeAnswered } from './upgrade-answer.ts'

interface TerminalDeps {
  audit: AuditLog
  sandboxes: Sandboxes
  gateway: Gateway
  logger: Logger
}

/** Messages of a client above this are refused: input is typed or pasted, files go through the file routes. */
const maxMessageBytes = 1024 * 1024
const pingMs = 30_000
const hangUp = constants.signals.SIGHUP

/**
 * Terminals and processes over WebSocket: binary messages are what is typed and what is shown, text messages are JSON.
 * From the client: `{type:'resize', cols, rows}`, `{type:'eof'}`, `{type:'signal', signal}`. From here: `{type:'started',
 * processId, pid}`, and last `{type:'exit', …}` or `{type:'error', …}`.
 */
export class Terminals {
  readonly #deps: TerminalDeps
  // The standard wants one of the offered protocols back. The key is only echoed to a client that offers nothing else.
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) =>
      [...offered].find((name) => !name.startsWith(keyProtocolPrefix)) ?? [...offered][0] ?? false,
  })

  constructor(deps: TerminalDeps) {
    this.#deps = deps
  }

  /** Takes the connection over, or answers why not. A failure comes before the switch of protocols, as plain HTTP. */
  async upgrade(exchange: {
    request: IncomingMessage
    socket: Duplex
    head: Buffer
    requestId: string
  }): Promise<void> {
    const { request, socket, head, requestId } = exchange
    socket.on('error', () => socket.destroy())
    try {
      const { gateway } = this.#deps
      const { account, principal } = await gateway.admit({ request })
      authorize(principal, 'sandboxes:exec')
      const url = new URL(request.url ?? '/', 'http://localhost')
      this.#audited(principal, url, { address: gateway.addressOf(request), requestId })
      const machine = /^\/v1\/sandboxes\/([^/]+)\/console$/.exec(url.pathname)
      if (machine) {
        const console = await this.#deps.sandboxes.console({ account, id: decodeURIComponent(machine[1]!) })
        if (socket.destroyed) return void console.destroy()
        return this.#server.handleUpgrade(request, socket, head, (client) => {
          upgradeAnswered(socket, switchedStatus)
          closeWith(client, gateway.hold(principal), requestId)
          connectConsole(client, console)
        })
      }
      const { process, hangsUp } = await this.#open(account, url)
      if (socket.destroyed)
        return void (hangsUp ? process.signal(hangUp) : Promise.resolve()).finally(() => process.detach())
      this.#server.handleUpgrade(request, socket, head, (client) => {
        upgradeAnswered(socket, switchedStatus)
        closeWith(client, gateway.hold(principal), requestId, (body) => tell(client, { type: 'error', ...body }))
        connect(client, process, { hangsUp, requestId }).catch((error) =>
          this.#deps.logger.error({ err: error, requestId }, 'terminal failed'),
        )
      })
    } catch (error) {
      refuseUpgrade(socket, error, requestId)
    }
  }

  /** Tells those who are connected; what runs in their sandboxes goes on, but for terminals. */
  close(): void {
    for (const client of this.#server.clients) client.close(1001, 'the platform stops; the process goes on')
    this.#server.close()
  }

  #audited(principal: Principal, { pathname }: URL, exchange: { address: string; requestId: string }) {
    const [, id, rest] = /^\/v1\/sandboxes\/([^/]+)\/(terminal|console|processes\/[^/]+\/attach)$/.exec(pathname) ?? []
    if (!id) return
    const { accountId, kind: actorKind, id: actor } = principal
    const action = rest === 'terminal' || rest === 'console' ? `${rest}.open` : 'process.attach'
    auditInside(this.#deps.audit, { accountId, actorKind, actor, action, subject: id, first: true }, exchange)
  }

  async #open(account: Account, { pathname, searchParams }: URL): Promise<{ process: GuestProcess; hangsUp: boolean }> {
    const [, id, rest] = /^\/v1\/sandboxes\/([^/]+)\/(.+)$/.exec(pathname) ?? []
    const subject = { account, id: decodeURIComponent(id ?? '') }
    if (rest === 'terminal') {
      const process = await this.#deps.sandboxes.startProcess(subject, {
        command: shellFor(searchParams.get('command')),
        pty: { cols: dimension(searchParams, 'cols', 80), rows: dimension(searchParams, 'rows', 24) },
        ...given(searchParams, 'cwd'),
        ...given(searchParams, 'user'),
      })
      return { process, hangsUp: true }
    }
    const attach = /^processes\/([^/]+)\/attach$/.exec(rest ?? '')
    if (!attach) throw new WarrenError('not_found', `no WebSocket is served at ${pathname.slice(0, 200)}`)
    const { guest } = await this.#deps.sandboxes.running(subject)
    const from = { ...offset(searchParams, 'stdoutOffset'), ...offset(searchParams, 'stderrOffset') }
    return { process: await guest.attach(decodeURIComponent(attach[1]!), from), hangsUp: false }
  }
}

/** What IANA's registry has for them. */
const closeCodes: Partial<Record<string, number>> = { unauthenticated: 3000, forbidden: 3003 }

/** Closes the connection when who opened it may not have it any more, and says so; a client that does not close too is cut. */
function closeWith(client: WebSocket, held: Held, requestId: string, say?: (problem: Problem) => Promise<void>): void {
  let cut: NodeJS.Timeout | undefined
  client.once('close', () => {
    held.end()
    clearTimeout(cut)
  })
  held.signal.addEventListener('abort', () => {
    const { body } = problemOf(held.signal.reason, requestId)
    say?.(body).catch(() => {})
    // The reason of a close frame has room for 123 bytes.
    client.close(closeCodes[body.code] ?? 1008, body.message.slice(0, 120))
    cut = setTimeout(() => client.terminate(), 1_000)
  })
}

/** Joins the two until either ends. A terminal whose client goes away is hung up, an attached process goes on. */
async function connect(
  client: WebSocket,
  process: GuestProcess,
  how: { hangsUp: boolean; requestId: string },
): Promise<void> {
  let exited = false
  let input = Promise.resolve()
  const stopPings = keepAlive(client)

  client.on('error', () => client.terminate())
  client.on('message', (data: Buffer, isBinary) => {
    // Stops reading until the process has taken it: a program that does not read must not fill our memory.
    client.pause()
    input = input
      .then(() => (isBinary ? process.write(data) : control(process, data.toString('utf8'))))
      .catch((error) => tell(client, { type: 'error', ...problemOf(error, how.requestId).body }))
      .finally(() => client.resume())
  })
  client.on('close', () => {
    stopPings()
    const hungUp = how.hangsUp && !exited ? process.signal(hangUp).catch(() => {}) : Promise.resolve()
    void hungUp.finally(() => process.detach())
  })

  try {
    await tell(client, { type: 'started', processId: process.id, pid: process.pid })
    for await (const { data } of process.output()) await send(client, data)
    exited = true
    await tell(client, { type: 'exit', ...exitView(await process.exit) })
    client.close(1000, 'exited')
  } catch (error) {
    if (client.readyState !== client.OPEN) return
    await tell(client, { type: 'error', ...problemOf(error, how.requestId).body })
    client.close(1011, 'the sandbox does not answer any more')
  }
}

async function control(process: GuestProcess, text: string): Promise<void> {
  const message = parse(text)
  const isSize = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1000
  if (message.type === 'resize' && isSize(message.cols) && isSize(message.rows))
    return process.resize(message.cols, message.rows)
  if (message.type === 'eof') return process.closeStdin()
  if (message.type === 'signal' && Number.isInteger(message.signal)) return process.signal(message.signal as number)
  throw new WarrenError(
    'invalid_request',
    'a text message must be {type:"resize",cols,rows}, {type:"eof"} or {type:"signal",signal}',
  )
}

function parse(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

function tell(client: WebSocket, message: object): Promise<void> {
  return send(client, JSON.stringify(message))
}

/** Resolves when the kernel has taken it, so that a slow client slows the process down. */
function send(client: WebSocket, data: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => client.send(data, (error) => (error ? reject(error) : resolve())))
}

/** Ends a connection whose other end has vanished without a word. */
function keepAlive(client: WebSocket): () => void {
  let heard = true
  client.on('pong', () => {
    heard = true
  })
  const timer = setInterval(() => {
    if (client.isPaused) return // its answers wait behind input that the process has not taken yet
    if (!heard) return client.terminate()
    heard = false
    client.ping()
  }, pingMs)
  return () => clearInterval(timer)
}

function shellFor(command: string | null): string | string[] {
  return command || ['/bin/bash', '-i']
}

function dimension(query: URLSearchParams, name: 'cols' | 'rows', otherwise: number): number {
  const value = query.get(name) === null ? otherwise : Number(query.get(name))
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value
  throw new WarrenError(
    'invalid_request',
    `query field "${name}" must be a whole number from 1 to 1000, not "${query.get(name)}"`,
  )
}

function offset(query: URLSearchParams, name: 'stdoutOffset' | 'stderrOffset'): Record<string, number> {
  if (query.get(name) === null) return {}
  const value = Number(query.get(name))
  if (Number.isSafeInteger(value) && value >= 0) return { [name]: value }
  throw new WarrenError('invalid_request', `query field "${name}" must be a whole number, not "${query.get(name)}"`)
}

function given(query: URLSearchParams, name: 'cwd' | 'user'): Record<string, string> {
  const value = query.get(name)
  return value ? { [name]: value } : {}
}
