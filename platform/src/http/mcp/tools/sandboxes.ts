import { type Static, Type } from 'typebox'
import { SetNetwork } from '../../../sandboxes/network.ts'
import {
  CreateSandbox,
  ForkSandbox,
  PauseSandbox,
  ResumeSandbox,
  type Sandbox,
  states,
} from '../../../sandboxes/sandbox.ts'
import { SandboxId, strict, type Tool, tool } from '../tool.ts'

const Summary = Type.Object({
  sandbox: Type.String({ description: 'Its id, which the other tools take.' }),
  state: Type.Enum([...states]),
  template: Type.String(),
  isolation: Type.Optional(Type.String({ description: 'What keeps it from the host.' })),
  memoryMb: Type.Number(),
  cpuCores: Type.Number(),
  metadata: Type.Record(Type.String(), Type.String()),
  createdAt: Type.String({ format: 'date-time' }),
  expiresAt: Type.String({ format: 'date-time', description: 'When it is ended or paused by itself.' }),
  endReason: Type.Optional(Type.String({ description: 'Why it failed, such as out_of_memory.' })),
})
const Summaries = Type.Object({
  sandboxes: Type.Array(Summary),
  nextCursor: Type.Optional(Type.String({ description: 'There are more: ask again with it as `cursor`.' })),
})

const { template, timeout, metadata, env, snapshot, limits } = CreateSandbox.properties
const { internet, allow } = SetNetwork.properties

const create = tool({
  name: 'sandbox_create',
  title: 'Start a sandbox',
  description:
    'Starts an isolated Linux machine of your own and answers with its id. It has no network unless `network` says so, and ends by ' +
    'itself after `timeout` seconds (300 unless you say more). Files and programs stay in it from call to call. End it with sandbox_kill.',
  operation: 'createSandbox',
  permission: 'sandboxes:write',
  audit: 'sandbox.create',
  input: Type.Object(
    {
      ...{ template, timeout, metadata, env, snapshot, limits },
      network: Type.Optional(
        Type.Object({ internet, allow }, { ...strict, description: 'What it may reach; nothing by default.' }),
      ),
    },
    strict,
  ),
  output: Summary,
  made: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, input, { account, signal }) => ({
    output: summaryOf(await sandboxes.create(account, input, signal)),
  }),
})

const list = tool({
  name: 'sandbox_list',
  title: 'List sandboxes',
  description: 'The sandboxes of your organisation, newest first.',
  operation: 'listSandboxes',
  permission: 'sandboxes:read',
  reads: true,
  input: Type.Object(
    {
      state: Type.Optional(Type.Enum([...states])),
      metadata: Type.Optional({ ...metadata, description: 'Only those that carry all of these labels.' }),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
      cursor: Type.Optional(Type.String({ maxLength: 256, description: '`nextCursor` of the answer before.' })),
    },
    strict,
  ),
  output: Summaries,
  run: async ({ sandboxes }, { metadata = {}, limit = 20, ...rest }, { account }) => {
    const page = await sandboxes.list(account, { ...rest, metadata, limit })
    const { nextCursor } = page
    return { output: { sandboxes: page.sandboxes.map(summaryOf), ...(nextCursor ? { nextCursor } : {}) } }
  },
})

const kill = tool({
  name: 'sandbox_kill',
  title: 'End a sandbox',
  description: 'Ends a sandbox. Nothing of it is left: its files, its programs, its addresses.',
  operation: 'removeSandbox',
  permission: 'sandboxes:write',
  audit: 'sandbox.remove',
  destroys: true,
  input: Type.Object({ sandbox: SandboxId }, strict),
  output: Type.Object({ removed: Type.String({ description: 'The id it had.' }) }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, { sandbox: id }, { account }) => {
    await sandboxes.remove({ account, id })
    return { output: { removed: id } }
  },
})

const pause = tool({
  name: 'sandbox_pause',
  title: 'Pause a sandbox',
  description:
    'Lets a sandbox stand still: it uses no processor, and goes on with sandbox_resume. Where the runtime can, what runs is kept too.',
  operation: 'pauseSandbox',
  permission: 'sandboxes:write',
  audit: 'sandbox.pause',
  input: Type.Object({ sandbox: SandboxId, ...PauseSandbox.properties }, strict),
  output: Summary,
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account }) => ({
    output: summaryOf(await sandboxes.pause({ account, id }, input)),
  }),
})

const resume = tool({
  name: 'sandbox_resume',
  title: 'Resume a sandbox',
  description: 'Lets a paused sandbox go on where it stood still.',
  operation: 'resumeSandbox',
  permission: 'sandboxes:write',
  audit: 'sandbox.resume',
  input: Type.Object({ sandbox: SandboxId, ...ResumeSandbox.properties }, strict),
  output: Summary,
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account }) => ({
    output: summaryOf(await sandboxes.resume({ account, id }, input)),
  }),
})

const fork = tool({
  name: 'sandbox_fork',
  title: 'Fork a sandbox',
  description:
    'Live copies of a running sandbox, which go on from the same moment as it does: for trying several ways from one state. ' +
    'Runtimes that cannot say so.',
  operation: 'forkSandbox',
  permission: 'sandboxes:write',
  audit: 'sandbox.fork',
  input: Type.Object({ sandbox: SandboxId, ...ForkSandbox.properties }, strict),
  output: Type.Object({ sandboxes: Type.Array(Summary) }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => ({
    output: { sandboxes: (await sandboxes.fork({ account, id }, input, signal)).map(summaryOf) },
  }),
})

const port = tool({
  name: 'get_port_url',
  title: 'Address of a port',
  description:
    'The address under which what listens on a port of the sandbox is reached from outside, and whether anything listens there yet. ' +
    'Requests to it need the key of Warren.',
  operation: 'listPorts',
  permission: 'sandboxes:read',
  reads: true,
  input: Type.Object({ sandbox: SandboxId, port: Type.Integer({ minimum: 1, maximum: 65_535 }) }, strict),
  output: Type.Object({
    url: Type.String({ description: 'By host name.' }),
    path: Type.String({ description: 'The same by path, below the address of the server.' }),
    listening: Type.Boolean(),
  }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes, places }, { sandbox: id, port }, { account }) => {
    const { guest } = await sandboxes.running({ account, id })
    const listening = (await guest.ports()).some((found) => found.port === port)
    return {
      output: { url: places.ofPort(id, port), path: `/v1/sandboxes/${id}/ports/${port}/`, listening },
    }
  },
})

export const sandboxTools: Tool[] = [create, list, kill, pause, resume, fork, port]

function summaryOf(sandbox: Sandbox): Static<typeof Summary> {
  const { id, state, template, runtime, limits, metadata, createdAt, expiresAt, endReason } = sandbox
  return {
    sandbox: id,
    state,
    template,
    ...(runtime ? { isolation: runtime.isolation } : {}),
    ...{ memoryMb: limits.memoryMb, cpuCores: limits.cpuCores, metadata },
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    ...(endReason ? { endReason } : {}),
  }
}
