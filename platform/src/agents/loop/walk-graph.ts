import { textOf } from '../../models/message.ts'
import { imagesOf } from '../images/image.ts'
import { noCost, type RunEnd } from '../journal/entry.ts'
import { isGenuineAnswer, signRequest } from '../safety/approval.ts'
import { matchInTime, mostMatchMs } from '../safety/match-in-time.ts'
import { executeCalls } from '../tools/execute-calls.ts'
import { Semaphore } from '../tools/semaphore.ts'
import { mostTaskChars } from '../tools/spawn-agent.ts'
import { type Graph, type GraphNode, outputOf, type Ready, readyNodes, threadOf, type Visit } from './graph.ts'
import { react } from './react.ts'
import type { Running, Turn } from './running.ts'
import { reasonToStop } from './stop-conditions.ts'
import { takeMessages } from './take-messages.ts'

const defaultVisits = 10
const defaultAttempts = 2
/** Of all that is sent to a node, characters. */
const mostSentChars = 200_000
/** Of why an attempt failed, in the next one. */
const mostFailureChars = 10_000
/** Nodes of other agents that work at the same time. */
const mostAgentsAtOnce = 8
/** As a node is told to say that it cannot do its part. */
const isFailure = /^\s*FAILED:/
/** What ends a node, and not the run. */
const ofNode = new Set(['no_progress', 'invalid_calls', 'output_limit', 'refused'])

/**
 * Lets the nodes of a graph do what they do, each with the results that are sent to it, until none is sent any more. Those that can
 * begin at the same moment do; nodes of other agents work at the same time, those of this one in their order. What each has done and
 * where its result went is in the journal, so it goes on rightly wherever an earlier process was interrupted.
 */
export async function walkGraph(run: Running): Promise<Turn> {
  const { state } = run.recorder
  const graph = state.started.spec.graph!
  for (;;) {
    if (run.signal.aborted) return { type: 'end', end: { reason: 'cancelled' } }
    const running = state.graph.visits.filter(({ status }) => status === 'running')
    if (running.length > 0) {
      const turn = await work(run, graph, running)
      if (turn) return turn
      continue
    }
    const dead = state.graph.visits.find(
      (visit) => visit.status === 'failed' && visit.isLast && !mayRetry(graph, visit),
    )
    if (dead)
      return { type: 'end', end: { reason: 'graph_failed', message: `node ${dead.node} failed: ${dead.result}` } }
    const failed = state.graph.visits.filter((visit) => visit.status === 'failed' && mayRetry(graph, visit))
    for (const visit of failed) {
      const end = reasonToBeginNothing(run)
      if (end) return { type: 'end', end }
      retry(run, graph, visit)
    }
    if (failed.length > 0) continue
    const ready = readyNodes(graph, state.graph)
    if (ready.length === 0) return { type: 'answer', text: outputOf(state.graph) }
    const turn = await begin(run, graph, ready)
    if (turn) return turn
  }
}

/** Has the nodes that are running come to their end. Answers only where the run cannot go on after them. */
async function work(run: Running, graph: Graph, running: readonly Visit[]): Promise<Turn | undefined> {
  const { recorder } = run
  const { threads } = recorder.state
  let waits: Turn | undefined
  const spawned = running.filter(({ agent }) => agent !== undefined)
  const places = new Semaphore(mostAgentsAtOnce)
  const worked = await Promise.allSettled(
    spawned.map(async (visit) => {
      const thread = threadOf(visit)
      if (threads.get(thread)!.open.size === 0) return
      const leave = await places.acquire()
      try {
        await executeCalls(run, { thread, step: visit.step })
      } finally {
        leave()
      }
    }),
  )
  for (const one of worked) if (one.status === 'rejected') throw one.reason
  for (const visit of spawned) {
    const { open, messages } = threads.get(threadOf(visit))!
    const result = messages.at(-1)
    if (open.size > 0 || result?.role !== 'tool') waits = { type: 'wait', for: 'approval' }
    else {
      const text = textOf(result)
      const end = finish(run, graph, visit, { isDone: !result.isError && !isFailure.test(text), result: text })
      if (end) return { type: 'end', end }
    }
  }
  for (const visit of running) {
    if (visit.agent !== undefined) continue
    const node = nodeOf(graph, visit)
    const turn = await react(run, threadOf(visit), node.model === undefined ? {} : { which: { model: node.model } })
    if (turn.type === 'wait') {
      waits = turn
      continue
    }
    if (turn.type === 'end' && !ofNode.has(turn.end.reason)) return turn
    const isDone = turn.type === 'answer' && !isFailure.test(turn.text)
    const result = turn.type === 'answer' ? turn.text : `${turn.end.reason}: ${turn.end.message ?? ''}`
    const end = finish(run, graph, visit, { isDone, result })
    if (end) return { type: 'end', end }
  }
  await recorder.flush()
  // Who was cancelled has not been asked.
  return run.signal.aborted ? undefined : waits
}

/** Records what a node came to and whom it is sent to. Answers with the end of the run where nobody can tell. */
function finish(
  run: Running,
  graph: Graph,
  visit: Visit,
  { isDone, result }: { isDone: boolean; result: string },
): RunEnd | undefined {
  if (run.signal.aborted) return undefined
  const { node, attempt } = visit
  const last = isDone || attempt >= (nodeOf(graph, visit).attempts ?? defaultAttempts)
  const sent = last ? receivers(graph, { node, isDone, result }) : []
  if (!sent)
    return {
      reason: 'graph_failed',
      message: `whether the conditions after node ${node} hold could not be told in ${mostMatchMs} ms`,
    }
  const ms = run.now() - visit.since
  const usage = run.recorder.state.threads.get(threadOf(visit))!.cost
  const status = isDone ? 'done' : 'failed'
  run.recorder.record({
    type: 'graph.node_ended',
    data: { node, visit: visit.visit, attempt, status, result, ms, usage, sent },
  })
  return undefined
}

/** Whom a result is sent to; undefined where that cannot be told in time. */
function receivers(
  { edges = [] }: Graph,
  { node, isDone, result }: { node: string; isDone: boolean; result: string },
): string[] | undefined {
  const own = edges.filter(({ from }) => from === node)
  if (!isDone) return [...new Set(own.filter(({ failed }) => failed).map(({ to }) => to))]
  const possible = own.filter(({ failed }) => !failed)
  const judged = possible.filter(({ matches }) => matches !== undefined)
  const verdicts = matchInTime(judged.map(({ matches }) => ({ pattern: matches!, text: result })))
  if (!verdicts) return undefined
  const hold = judged.filter((_, at) => verdicts[at])
  const always = possible.filter(({ matches, otherwise }) => matches === undefined && !otherwise)
  const others = hold.length > 0 ? [] : possible.filter(({ otherwise }) => otherwise)
  return [...new Set([...always, ...hold, ...others].map(({ to }) => to))]
}

/** Begins what is ready. Answers where a human has to be asked before any of it, or where a node begins too often. */
async function begin(run: Running, graph: Graph, ready: readonly Ready[]): Promise<Turn | undefined> {
  const { recorder } = run
  const { state } = recorder
  await takeMessages(run, ['steer', 'follow_up', 'interrupt'])
  const most = graph.maxVisits ?? defaultVisits
  let began = 0
  for (const { node, takes } of ready) {
    const over = reasonToBeginNothing(run)
    if (over) return { type: 'end', end: over }
    const visit = state.graph.visits.filter((one) => one.node === node.id).length + 1
    if (visit > most)
      return {
        type: 'end',
        end: {
          reason: 'no_progress',
          message: `node ${node.id} has begun ${most} times`,
          output: takes.at(-1)?.text ?? '',
        },
      }
    const verdict = node.approval ? approvalOf(run, node, visit) : 'approved'
    if (verdict === 'asked') continue
    if (verdict === 'denied')
      return { type: 'end', end: { reason: 'graph_failed', message: `a human has refused node ${node.id}` } }
    const text = textFor(run, node, takes)
    start(run, node, { visit, attempt: 1, text, takes: takes.map(({ id }) => id) })
    began++
  }
  return began > 0 ? undefined : { type: 'wait', for: 'approval' }
}

/** Nodes of other agents ask no model here, and must end all the same. */
function reasonToBeginNothing(run: Running): RunEnd | undefined {
  const { state } = run.recorder
  const { limits = {} } = state.started.spec
  const { spent, budget } = run.pot
  return reasonToStop({ state, limits, now: run.now(), spent, budget, next: noCost })
}

function mayRetry(graph: Graph, visit: Visit): boolean {
  return visit.attempt < (nodeOf(graph, visit).attempts ?? defaultAttempts)
}

function retry(run: Running, graph: Graph, { node, visit, attempt, given, result = '' }: Visit): void {
  const own = nodeOf(graph, { node })
  const why = result.slice(0, mostFailureChars).toWellFormed()
  start(run, own, { visit, attempt: attempt + 1, text: `${given}${earlierAttempt}${why}`, takes: [] })
}

const gap = '\n\n'
const earlierAttempt = '\n\nAn earlier attempt failed: '

function start(
  { recorder }: Running,
  { id, agent, instructions, tools }: GraphNode,
  visit: { visit: number; attempt: number; text: string; takes: number[] },
): void {
  const { state } = recorder
  const own =
    agent === undefined
      ? { system: instructions ?? state.started.spec.instructions ?? '', ...(tools && { tools }), ...imagesOf(state) }
      : { agent }
  recorder.record({ type: 'graph.node_started', data: { node: id, ...visit, step: state.steps, ...own } })
}

function approvalOf(run: Running, node: GraphNode, visit: number): 'approved' | 'asked' | 'denied' {
  const call = `${node.id}:${visit}`
  for (const request of run.recorder.state.approvals.values()) {
    if (request.thread !== 'graph' || request.call !== call) continue
    if (!request.answer) return 'asked'
    const isApproved = isGenuineAnswer(run, request, request.answer) && request.answer.decision === 'approve'
    return isApproved ? 'approved' : 'denied'
  }
  const request = { id: run.newId(), kind: 'plan_step' as const, thread: 'graph', step: run.recorder.state.steps, call }
  const text = node.task ?? `May node ${node.id} begin?`
  run.recorder.record({ type: 'approval.requested', data: signRequest(run, { ...request, text }) })
  return 'asked'
}

function textFor({ recorder: { state } }: Running, { task, agent }: GraphNode, takes: Ready['takes']): string {
  const { input, lessons } = state.started
  const part = task ? `Your part: ${task} If it cannot be done, answer with FAILED: and the reason.` : ''
  const before = [
    ...(input ? [takes.length > 0 || task ? `The whole task: ${input}` : input] : []),
    ...(lessons && takes.length === 0 ? [lessons] : []),
    ...(state.said.length > 0 ? [`Said since it began:\n${state.said.join('\n')}`] : []),
  ].join(gap)
  // The task of another agent may be so long and no longer: half of what its part leaves is for what it is sent.
  const room = mostTaskChars - mostFailureChars - earlierAttempt.length - part.length - 2 * gap.length
  const isTask = agent !== undefined
  const known = isTask ? before.slice(0, takes.length > 0 ? room / 2 : room).toWellFormed() : before
  const each = Math.floor((isTask ? room - known.length : mostSentChars) / Math.max(1, takes.length))
  const sent = takes.map(({ from, text }) => {
    const head = `From ${from}:\n`
    return head + text.slice(0, isTask ? each - head.length - gap.length : each).toWellFormed()
  })
  return [known, ...sent, part].filter(Boolean).join(gap)
}

function nodeOf({ nodes }: Graph, { node }: Pick<Visit, 'node'>): GraphNode {
  return nodes.find(({ id }) => id === node)!
}
