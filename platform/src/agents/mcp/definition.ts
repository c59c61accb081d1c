import { hash } from 'node:crypto'
import { theSandbox } from '../tools/resource-locks.ts'
import type { Effect, Tool, ToolContext, ToolResult } from '../tools/tool.ts'
import { checkedPart } from './checked-part.ts'
import type { McpServer } from './server.ts'

/** A tool as a run knows it from its beginning to its end, whatever the server says later. */
export interface McpTool {
  /** For the model. */
  name: string
  /** For the server. */
  tool: string
  description: string
  inputSchema: Record<string, unknown>
  effect: Effect
  /** Of what the server said when it was listed. */
  fingerprint: string
}

/** What a server says of a tool. */
export interface ListedTool {
  name: string
  description?: string | undefined
  inputSchema: Record<string, unknown>
  annotations?: { readOnlyHint?: boolean | undefined; idempotentHint?: boolean | undefined } | undefined
}

/** The tools of a server that its agent gets, and those that it does not get, with the reason. */
export interface McpListing {
  server: string
  tools: McpTool[]
  leftOut: { tool: string; reason: string }[]
}

const mostTools = 128
const mostDescriptionChars = 4000
const mostSchemaChars = 32_768
/** Of one server, all together. */
const mostChars = 512 * 1024
/** What all vendors of models take. */
const mostNameChars = 64

export function listingOf(server: McpServer, listed: readonly ListedTool[]): McpListing {
  const tools: McpTool[] = []
  const leftOut: McpListing['leftOut'] = []
  const names = new Set<string>()
  let chars = 0
  for (const one of listed) {
    if (server.tools && !server.tools.includes(one.name)) continue
    const name = nameOf(server.name, one.name)
    const size = JSON.stringify(one.inputSchema).length
    const reason =
      tools.length >= mostTools
        ? `a server has ${mostTools} tools at most`
        : names.has(name)
          ? `another one is called ${name} too`
          : size > mostSchemaChars
            ? `the schema of its arguments has more than ${mostSchemaChars} characters`
            : chars + size > mostChars
              ? `the tools of a server take ${mostChars} characters at most`
              : undefined
    if (reason) {
      if (leftOut.length < mostTools) leftOut.push({ tool: one.name.slice(0, 128), reason })
      continue
    }
    names.add(name)
    const description = (one.description ?? '').slice(0, mostDescriptionChars)
    chars += size + description.length
    tools.push({
      name,
      tool: one.name,
      description,
      inputSchema: one.inputSchema,
      effect: effectOf(server, one),
      fingerprint: fingerprintOf(one),
    })
  }
  for (const wanted of server.tools ?? [])
    if (!listed.some(({ name }) => name === wanted)) leftOut.push({ tool: wanted, reason: 'the server has none' })
  return { server: server.name, tools, leftOut }
}

/** Changes with whatever a model would be told of it. */
export function fingerprintOf({ name, description, inputSchema }: ListedTool): string {
  return hash('sha256', JSON.stringify([name, description ?? '', inputSchema]), 'base64').slice(0, 22)
}

export type CallMcpTool = (
  tool: McpTool,
  args: Record<string, unknown>,
  context: Pick<ToolContext, 'signal'>,
) => Promise<ToolResult>

/** As the loop has tools. */
export function asTool(definition: McpTool, server: McpServer, call: CallMcpTool): Tool {
  const { name, description, inputSchema, effect } = definition
  return {
    name,
    description,
    inputSchema,
    checkedSchema: checkedPart(inputSchema),
    effect,
    // What runs in the sandbox may write there.
    ...(server.command && effect !== 'read' && { changesDisk: true }),
    ...(server.command && { resources: () => [effect === 'read' ? { shared: theSandbox } : theSandbox] }),
    timeoutMs: (server.timeoutSeconds ?? 60) * 1000,
    handler: (context, args: Record<string, unknown>) => call(definition, args, context),
  }
}

function nameOf(server: string, tool: string): string {
  const name = `${server}__${tool.replace(/[^A-Za-z0-9_-]/g, '_')}`
  if (name.length <= mostNameChars) return name
  return `${name.slice(0, mostNameChars - 9)}_${hash('sha256', tool, 'hex').slice(0, 8)}`
}

/** What a server says of itself can only cost its own caller: it is told to do something again, or a human is asked. */
function effectOf({ effects = {} }: McpServer, { name, annotations }: ListedTool): Effect {
  if (Object.hasOwn(effects, name)) return effects[name]!
  if (annotations?.readOnlyHint) return 'read'
  return annotations?.idempotentHint ? 'idempotent' : 'once'
}
