import type { Cost, RunEnd } from '../journal/entry.ts'
import { object } from './sandbox-tools.ts'
import { type Tool, ToolError } from './tool.ts'

/** Runs another agent to its end: the same one for the same key. */
export type SpawnRun = (
  request: { agent: string; input: string; key: string; deadlineSeconds?: number },
  signal: AbortSignal,
) => Promise<{ runId: string; end: RunEnd; usage: Cost }>

const mostMs = 3_600_000
/** Of a task. */
export const mostTaskChars = 100_000

export function spawnAgent(spawn: SpawnRun): Tool {
  return {
    name: 'spawn_agent',
    description:
      'Gives a task to another agent and waits for its answer. It knows nothing but what you write. It shares your budget.',
    inputSchema: object(
      {
        agent: { type: 'string', minLength: 1, maxLength: 64 },
        task: { type: 'string', minLength: 1, maxLength: mostTaskChars },
        deadlineSeconds: {
          type: 'integer',
          minimum: 1,
          maximum: mostMs / 1000,
          description: 'It ends then, done or not. Default: its own limit.',
        },
      },
      ['agent', 'task'],
    ),
    effect: 'idempotent',
    resources: () => [],
    timeoutMs: mostMs,
    handler: async (
      { idempotencyKey, signal },
      { agent, task, ...limits }: { agent: string; task: string; deadlineSeconds?: number },
    ) => {
      const { runId, end, usage } = await spawn({ agent, input: task, key: idempotencyKey, ...limits }, signal)
      if (end.reason === 'completed') return { text: end.output ?? '', usage }
      if (signal.aborted) throw new ToolError('cancelled', `run ${runId} was cancelled`)
      return {
        text: `Run ${runId} ended without success: ${end.reason}. ${end.message ?? ''}\n${end.output ?? ''}`,
        isError: true,
        usage,
      }
    },
  }
}
