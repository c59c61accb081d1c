import type { AgentSpec } from '../agent.ts'

const task =
  'Compute (17.5 + 4) * 3 - 2^5. Then fetch http://demo.warren.internal/ and say in one sentence what the page is about.'

/** The agent of the README: it computes, fetches a page and tells. Without a model its script shows what a run is. */
export const calculatorAndFetch: AgentSpec & { task: string } = {
  name: 'calculator-and-fetch',
  description: 'Computes with one tool, fetches a page with another, and summarises.',
  task,
  instructions:
    'You answer briefly. Compute with the calculator, never in your head. Read pages with http_get. If a tool fails, say so.',
  tools: ['calculator', 'http_get'],
  sandbox: { network: { allow: ['demo.warren.internal'] } },
  limits: { maxSteps: 10, deadlineSeconds: 600 },
  checkpoints: false,
  script: [
    { text: 'First the number.', calls: [{ name: 'calculator', arguments: { expression: '(17.5 + 4) * 3 - 2^5' } }] },
    { text: 'Now the page.', calls: [{ name: 'http_get', arguments: { url: 'http://demo.warren.internal/' } }] },
    { text: '(17.5 + 4) * 3 - 2^5 = {{result 1}}. Of the page: {{result 2, line 5}}' },
  ],
}
