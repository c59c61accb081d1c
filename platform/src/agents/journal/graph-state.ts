import { type GraphState, threadOf, type Visit } from '../loop/graph.ts'
import type { Entry } from './entry.ts'
import type { RunState } from './run-state.ts'
import { emptyThread, type Thread } from './thread.ts'

export const beforeGraph = (): GraphState => ({ visits: [], pending: [], sent: 0 })

type Began = Extract<Entry, { type: 'graph.node_started' }>
type Ended = Extract<Entry, { type: 'graph.node_ended' }>

/** A node begins: what it takes is on its way no more. Answers its conversation; one of another agent has one call in it. */
export function beginNode({ graph }: RunState, { data, at, seq }: Began): { thread: string; opened: Thread } {
  const { takes, system, tools, images, ...visit } = data
  graph.pending = graph.pending.filter(({ id }) => !takes.includes(id))
  const before = graph.visits.findIndex((one) => one.node === visit.node && one.visit === visit.visit)
  const given = graph.visits[before]?.given ?? visit.text
  const own: Visit = { ...visit, given, status: 'running', since: at }
  if (before < 0) graph.visits.push(own)
  else graph.visits[before] = own
  const opened: Thread = { ...emptyThread(), ...(tools && { tools }) }
  const { agent, text } = data
  if (agent !== undefined) {
    const id = `${own.node}:${own.visit}:${own.attempt}`
    const call = { type: 'tool_call' as const, id, name: 'spawn_agent', arguments: { agent, task: text } }
    opened.open.set(id, { call, seq, isNode: true })
    opened.tools = ['spawn_agent']
  }
  return { thread: threadOf(own), opened }
}

/** A node ends, and its result is on its way. Answers with its conversation, which nobody needs any more. */
export function endNode({ graph }: RunState, { data }: Ended): string {
  const { node, visit, status, result, sent } = data
  const own = graph.visits.find((one) => one.node === node && one.visit === visit)
  if (own) Object.assign(own, { status, result, isLast: sent.length === 0 })
  for (const to of sent) graph.pending.push({ id: graph.sent++, from: node, to, text: result })
  return threadOf(data)
}
