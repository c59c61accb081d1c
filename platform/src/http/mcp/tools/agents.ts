import { Type } from 'typebox'
import { type Run, RunView, runStates, StartRun } from '../../../agents/run.ts'
import { runView } from '../../api/run-view.ts'
import { strict, type Tool, tool } from '../tool.ts'

const id = { minLength: 1, maxLength: 64, format: 'plain-text' }
const { output, message, usage: _, approvals: __, ...told } = RunView.properties
const Summary = Type.Object({ ...told, output, message })

const start = tool({
  name: 'agent_run_start',
  title: 'Give an agent a task',
  description:
    'Starts a run of an agent that Warren knows, and answers at once. agent_run_get tells how it goes and what came of it.',
  operation: 'startRun',
  permission: 'agents:write',
  audit: 'run.start',
  input: Type.Object(
    { agent: Type.String({ ...id, description: 'Its name.' }), input: StartRun.properties.input },
    strict,
  ),
  output: Summary,
  made: ({ runId }) => runId,
  run: async ({ agentRuns }, input, { account }) => ({ output: summaryOf(await agentRuns.start(account, input)) }),
})

const get = tool({
  name: 'agent_run_get',
  title: 'Look at a run',
  description: 'How a run of an agent goes: its state, and its answer once it has one.',
  operation: 'getRun',
  permission: 'agents:read',
  reads: true,
  input: Type.Object({ run: Type.String({ ...id, description: 'Id of the run.' }) }, strict),
  output: Summary,
  subject: ({ run }) => run,
  run: async ({ agentRuns }, { run }, { account }) => ({
    output: summaryOf(await agentRuns.get({ account, id: run })),
  }),
})

const list = tool({
  name: 'agent_run_list',
  title: 'List runs',
  description: 'Runs of agents, newest first, without what they answered.',
  operation: 'listRuns',
  permission: 'agents:read',
  reads: true,
  input: Type.Object(
    {
      agent: Type.Optional(Type.String(id)),
      state: Type.Optional(Type.Enum([...runStates])),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    },
    strict,
  ),
  output: Type.Object({ runs: Type.Array(Type.Object(told)) }),
  run: async ({ agentRuns }, { limit = 20, ...filter }, { account }) => {
    const runs = await agentRuns.list(account, { ...filter, limit })
    return { output: { runs: runs.map(summaryOf).map(({ output: _, message: __, ...rest }) => rest) } }
  },
})

export const agentTools: Tool[] = [start, get, list]

function summaryOf(run: Run) {
  const { usage: _, approvals: __, ...rest } = runView(run)
  return rest
}
