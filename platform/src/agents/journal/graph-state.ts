import { type GraphState, threadOf, type Visit } from '../loop/graph.ts'
import { type Entry, noCost } from './entry.ts'
import type { RunState, Thread } from './run-state.ts'

export const beforeGraph = (): GraphState => ({ visits: [], pending: [], sent: 0, said: [] })

type Began = Extract<Entry, { type: 'graph.node_started' }>
type Ended = Extract<Entry, { type: 'graph.node_ended' }>

/** A node begins: what it takes is on its way no more. Answers its conversation; one of another agent has one call in it. */
export function beginNode(state: RunState, { data, at }: Began): { thread: string; opened: Thread } {
  const { graph } = state
  const { takes, system, tools, ...visit } = data
  graph.pending = graph.pending.filter(({ id }) => !takes.includes(id))
  const own: Visit = { ...visit, status: 'running', since: at }
  const before = graph.visits.findIndex((one) => one.node === own.node && one.visit === own.visit)
  if (before < 0) graph.visits.push(own)
  else graph.visits[before] = own
  state.recent = []
  state.invalidCalls = 0
  const opened: Thread = {
    messages: [],
    digest: '',
    steps: 0,
    cost: noCost,
    compactions: 0,
    offered: [],
    open: new Map(),
    ...(tools && { tools }),
  }
  const { agent, text } = data
  if (agent !== undefined) {
    const id = `${own.node}:${own.visit}:${own.attempt}`
    const call = { type: 'tool_call' as const, id, name: 'spawn_agent', arguments: { agent, task: text } }
    opened.open.set(id, { call })
    opened.tools = ['spawn_agent']
  }
  return { thread: threadOf(own), opened }
}

export function endNode({ graph }: RunState, { data }: Ended): void {
  const { node, visit, status, result, sent } = data
  const own = graph.visits.find((one) => one.node === node && one.visit === visit)
  if (own) Object.assign(own, { status, result, isLast: sent.length === 0 })
  for (const to of sent) graph.pending.push({ id: graph.sent++, from: node, to, text: result })
}
