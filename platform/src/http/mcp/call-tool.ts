import type { CallToolResult } from '@modelcontextprotocol/server'
import type { FastifyBaseLogger } from 'fastify'
import { authorize } from '../../accounts/roles.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { AuditEntry } from '../../audit/entry.ts'
import { detailsOf, toldFirst } from '../audit-trail.ts'
import { problemOf } from '../problem.ts'
import { buildValidator, describeViolation } from '../validation.ts'
import type { Tool, ToolCall, ToolDeps } from './tool.ts'
import { tools } from './tools.ts'

const validatorOf = buildValidator({})
const validators = new Map(tools.map(({ name, input }) => [name, validatorOf({ schema: input, httpPart: 'body' })]))

/**
 * Calls `tool` as its route of the REST API would be called: the same permission, the same checks, the same lines in the audit
 * log. What fails is an answer too, with the code, the message and the hint of the REST API: the model that called reads it.
 */
export async function callTool(
  deps: ToolDeps & { audit: AuditLog; log: FastifyBaseLogger },
  { tool, input }: { tool: Tool; input: unknown },
  call: ToolCall,
): Promise<CallToolResult> {
  const { audit, log } = deps
  const { principal, account, requestId, address } = call
  const entry = (subject: string): Omit<AuditEntry, 'outcome'> => ({
    at: Date.now(),
    ...{ actorKind: principal.kind, actor: principal.id, action: tool.audit!, subject, address, requestId },
    details: { ...detailsOf({ body: input }), via: 'mcp' },
  })
  const subject = () => textIn(() => tool.subject?.(input as never))
  try {
    authorize(principal, tool.permission)
    check(tool, input)
    if (tool.audit && !tool.reads && toldFirst.includes(tool.permission))
      audit.begin(account.id, { ...entry(subject()), outcome: 'begun' })
    const { output, images = [] } = await tool.run(deps, input as never, call)
    if (tool.audit)
      audit.tell(account.id, { ...entry(subject() || tool.made?.(output) || ''), outcome: 'done', status: 200 })
    return {
      content: [{ type: 'text', text: JSON.stringify(output) }, ...images],
      structuredContent: output as Record<string, unknown>,
    }
  } catch (error) {
    const { status, body } = problemOf(error, requestId)
    if (body.code === 'internal') log.error({ err: error, requestId, tool: tool.name }, 'tool failed')
    if (tool.audit)
      audit.tell(account.id, { ...entry(subject()), outcome: status >= 500 ? 'failed' : 'refused', status })
    return { content: [{ type: 'text', text: JSON.stringify(body) }], isError: true }
  }
}

function check({ name }: Tool, input: unknown): void {
  const validate = validators.get(name)!
  if (validate(input)) return
  throw Object.assign(describeViolation(validate.errors ?? [], 'arguments'), { statusCode: 400 })
}

/** Arguments that were refused may have any form. */
function textIn(read: () => unknown): string {
  try {
    const found = read()
    return typeof found === 'string' ? found.slice(0, 128) : ''
  } catch {
    return ''
  }
}
