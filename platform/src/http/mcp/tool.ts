import { type Static, type TSchema, Type } from 'typebox'
import type { Account } from '../../accounts/account.ts'
import type { Principal } from '../../accounts/principal.ts'
import type { Permission } from '../../accounts/roles.ts'
import type { AgentRuns } from '../../agents/runs.ts'
import { plainText } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Places } from '../places.ts'

export interface ToolDeps {
  sandboxes: Sandboxes
  agentRuns: AgentRuns
  places: Places
}

/** Who calls a tool, and from where. */
export interface ToolCaller {
  account: Account
  principal: Principal
  address: string
  requestId: string
}

/** One call. When `signal` aborts, what it started is ended: nobody waits for it. */
export interface ToolCall extends ToolCaller {
  signal: AbortSignal
}

interface Image {
  type: 'image'
  data: string
  mimeType: string
}

export interface ToolAnswer<Output> {
  output: Output
  /** Beside the output as text. */
  images?: Image[]
}

/** What an MCP client can call. It is a route of the REST API in other words. */
export interface Tool<Input extends TSchema = TSchema, Output extends TSchema = TSchema> {
  name: string
  title: string
  description: string
  /** `operationId` of that route: the two ask for the same permission and stand in the audit log under the same verb. */
  operation: string
  permission: Permission
  audit?: string
  /** Changes nothing that anybody could see. */
  reads?: boolean
  /** Takes away what was there. */
  destroys?: boolean
  input: Input
  output: Output
  /** What it is done to, for the audit log; of what is made, see `made`. */
  subject?: (input: Static<Input>) => string
  made?: (output: Static<Output>) => string | undefined
  run: (deps: ToolDeps, input: Static<Input>, call: ToolCall) => Promise<ToolAnswer<Static<Output>>>
}

/** Checks that a tool fits its schemas, and forgets which they are. */
export function tool<Input extends TSchema, Output extends TSchema>(described: Tool<Input, Output>): Tool {
  return described as unknown as Tool
}

export const strict = { additionalProperties: false }

export const SandboxId = Type.String({ minLength: 1, maxLength: 64, description: 'Id of the sandbox.', ...plainText })
