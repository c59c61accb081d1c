import { Ajv, type ValidateFunction } from 'ajv'
import type { ToolCallPart } from '../../models/message.ts'
import type { Tool } from './tool.ts'

const ajv = new Ajv({ strict: false, allErrors: true, verbose: true })
/** Compiled at the first call of a tool, by the schema itself. */
const compiled = new WeakMap<object, ValidateFunction>()
const mostViolations = 5

/** Why a call cannot run, with how to do better; undefined where it can. */
export function callFault(
  tools: ReadonlyMap<string, Tool>,
  { name, arguments: args, invalidArguments }: ToolCallPart,
): { error: 'unknown_tool' | 'invalid_arguments'; text: string } | undefined {
  const tool = tools.get(name)
  if (!tool) {
    const known = [...tools.values()].flatMap((one) => (one.deferred ? [] : one.name)).join(', ') || 'none'
    return { error: 'unknown_tool', text: `There is no tool "${name.slice(0, 100)}". There are: ${known}.` }
  }
  const expected = () =>
    `The arguments of ${name} must be a JSON object that fits this schema: ${JSON.stringify(tool.inputSchema)}`
  if (invalidArguments !== undefined)
    return {
      error: 'invalid_arguments',
      text: `These are no JSON object: ${invalidArguments.slice(0, 500)}\n${expected()}`,
    }
  const schema = tool.checkedSchema ?? tool.inputSchema
  let validate = compiled.get(schema)
  if (!validate) {
    validate = ajv.compile(schema)
    compiled.set(schema, validate)
    // It would keep the schemas of all runs that ever were.
    ajv.removeSchema(schema)
  }
  if (validate(args)) return undefined
  const violations = (validate.errors ?? [])
    .slice(0, mostViolations)
    .map(({ instancePath, message = 'is not valid', params }) => {
      const extra = 'additionalProperty' in params ? ` ("${params.additionalProperty}")` : ''
      return `${instancePath || 'the object'} ${message}${extra}`
    })
  return { error: 'invalid_arguments', text: `Not called: ${violations.join('; ')}.\n${expected()}` }
}
