import type { Tool } from './tool.ts'

/** The executor itself asks: the run waits until somebody has answered. */
export const askHuman: Tool = {
  name: 'ask_human',
  description:
    'Asks the human for whom you work, and waits for the answer. For what you cannot find out or may not decide yourself.',
  inputSchema: {
    type: 'object',
    properties: { question: { type: 'string', minLength: 1, maxLength: 10_000 } },
    required: ['question'],
    additionalProperties: false,
  },
  effect: 'read',
  cacheable: false,
  handler: async () => '',
}
