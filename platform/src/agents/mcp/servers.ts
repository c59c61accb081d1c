import { setTimeout as delay } from 'node:timers/promises'
import type { RunEnd } from '../journal/entry.ts'
import type { Recorder } from '../journal/recorder.ts'
import type { Tool } from '../tools/tool.ts'
import { McpConnection } from './connection.ts'
import { asTool, type CallMcpTool, listingOf, type McpListing } from './definition.ts'
import { asFailure } from './failure.ts'
import type { McpServer } from './server.ts'

const mostAttempts = 3
const retryMs = 500

type ConnectionOptions = Omit<ConstructorParameters<typeof McpConnection>[0], 'server'>

/** The servers of tools of one run. */
export class McpServers {
  readonly #servers: readonly McpServer[]
  readonly #recorder: Recorder
  readonly #connections: ReadonlyMap<string, McpConnection>

  constructor(servers: readonly McpServer[], given: ConnectionOptions & { recorder: Recorder }) {
    this.#servers = servers
    this.#recorder = given.recorder
    this.#connections = new Map(servers.map((server) => [server.name, new McpConnection({ ...given, server })]))
  }

  /**
   * Asks those that have not been asked in this run what tools they have, and records it: from then on the run has these tools,
   * described in this way. Answers with the end of the run where one is missing that it cannot do without.
   */
  async discover(signal: AbortSignal): Promise<RunEnd | undefined> {
    const { mcp } = this.#recorder.state
    const missing = this.#servers.filter(({ name }) => !mcp.has(name))
    const ends = await Promise.all(missing.map((server) => this.#ask(server, signal)))
    return signal.aborted ? undefined : ends.find((end) => end !== undefined)
  }

  tools(): Tool[] {
    const call = (server: string): CallMcpTool => {
      const connection = this.#connections.get(server)!
      return (tool, args, { signal }) => connection.call(tool, args, signal)
    }
    return mcpTools(this.#servers, this.#recorder.state.mcp, call)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()))
  }

  async #ask(server: McpServer, signal: AbortSignal): Promise<RunEnd | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        const listed = await this.#connections.get(server.name)!.list(signal)
        this.#recorder.record({ type: 'mcp.listed', data: listingOf(server, listed) })
        return undefined
      } catch (error) {
        if (signal.aborted) return undefined
        const { optional = false } = server
        const { code, message, transient } = asFailure(error)
        if (transient && attempt < mostAttempts) {
          await delay(retryMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => {})
          continue
        }
        this.#recorder.record({ type: 'mcp.failed', data: { server: server.name, error: code, message, optional } })
        if (optional) return undefined
        return { reason: 'tools_unavailable', message: `the server of tools ${server.name}: ${code}: ${message}` }
      }
    }
  }
}

/** The tools that were listed by these servers. */
export function mcpTools(
  servers: readonly McpServer[],
  listings: ReadonlyMap<string, McpListing>,
  call: (server: string) => CallMcpTool,
): Tool[] {
  return servers.flatMap((server) =>
    (listings.get(server.name)?.tools ?? []).map((tool) => asTool(tool, server, call(server.name))),
  )
}
