import { evaluate } from './evaluate.ts'
import { type Tool, ToolError } from './tool.ts'

export const calculator: Tool = {
  name: 'calculator',
  description:
    'Computes an expression exactly: numbers, + - * / % ^, parentheses, sqrt abs round floor ceil min max ln log exp sin cos tan, pi, e. Fractions are computed exactly as long as they stay fractions.',
  inputSchema: {
    type: 'object',
    properties: {
      expression: { type: 'string', minLength: 1, maxLength: 2000, description: 'Such as (17.5 + 4) * 3 - 2^5' },
    },
    required: ['expression'],
    additionalProperties: false,
  },
  effect: 'read',
  pure: true,
  handler: async (_context, { expression }: { expression: string }) => {
    try {
      return evaluate(expression)
    } catch (error) {
      throw new ToolError('invalid_expression', (error as Error).message, { happened: false })
    }
  },
}
