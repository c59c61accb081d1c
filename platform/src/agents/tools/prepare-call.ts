import { explain, type Finding } from '../../kernel/hazards/hazard.ts'
import type { ToolCallPart } from '../../models/message.ts'
import type { ApprovalRequest } from '../journal/entry.ts'
import type { RunState } from '../journal/run-state.ts'
import type { OpenCall } from '../journal/thread.ts'
import type { Running } from '../loop/running.ts'
import { isGenuineAnswer, signRequest } from '../safety/approval.ts'
import { decide } from '../safety/decide.ts'
import { isAttended } from '../safety/is-attended.ts'
import { askHuman } from './ask-human.ts'
import type { Tool } from './tool.ts'
import { toolsOf } from './tools-of.ts'
import { callFault } from './validate-call.ts'

const mostTold = 8

export interface CallPlace {
  thread: string
  step: number
}

type Prepared =
  | { next: 'run'; tool: Tool }
  | { next: 'ask'; request: ApprovalRequest }
  | { next: 'end'; status: 'done' | 'failed' | 'denied' | 'unknown'; text: string; error?: string }

/** What is to be done with a call: run it, ask a human first, or end it without running. */
export function prepareCall(run: Running, place: CallPlace, { call, started, findings }: OpenCall): Prepared {
  const { state } = run.recorder
  const last = state.threads.get(place.thread)!.messages.at(-1)
  if (last?.role === 'assistant' && last.stopReason === 'length')
    return {
      next: 'end',
      status: 'failed',
      error: 'cut_off',
      text: 'Not called: your answer was cut off by the limit of tokens. Write less at once.',
    }
  const fault = callFault(toolsOf(run, state.threads.get(place.thread)!), call)
  if (fault) return { next: 'end', status: 'failed', ...fault }
  const tool = run.tools.get(call.name)!
  const ask = (kind: ApprovalRequest['kind'], text: string): Prepared => ({
    next: 'ask',
    request: requestFor(run, place, call, { kind, text, ...(kind === 'tool' && findings && { findings }) }),
  })
  const answerOf = (kind: ApprovalRequest['kind'], nth = 1) =>
    answered(run, state, { ...place, call: call.id, kind, arguments: call.arguments }, nth)

  if (tool === askHuman) {
    const answer = answerOf('question')
    if (!answer) return ask('question', String(call.arguments.question))
    if (answer.decision === 'deny')
      return { next: 'end', status: 'denied', text: answer.text ?? 'Nobody wants to answer that.' }
    return { next: 'end', status: 'done', text: answer.text ?? 'Yes.' }
  }

  const verdict = decide(state.started.spec.rules ?? [], call, {
    findings: findings ?? [],
    isAttended: isAttended(state.started),
  })
  if (verdict.action === 'deny')
    return {
      next: 'end',
      status: 'denied',
      error: verdict.error ?? 'denied',
      text: `Not allowed${because(verdict.reason)}${foundText(findings)}`,
    }
  if (verdict.action === 'ask') {
    const answer = answerOf('tool')
    if (!answer) return ask('tool', `May ${tool.name} be called${because(verdict.reason)}${foundText(findings)}`)
    if (answer.decision !== 'approve')
      return {
        next: 'end',
        status: 'denied',
        error: 'denied',
        text: `A human has refused this call${because(answer.text)}`,
      }
  }

  if (started && tool.effect === 'once') {
    // Each attempt but the first was asked for by the answer to the one before.
    const answer = answerOf('unknown_outcome', started.attempt)
    if (!answer)
      return ask(
        'unknown_outcome',
        `${tool.name} was begun when the platform was interrupted, and must not happen twice. Did it happen?`,
      )
    if (answer.decision === 'done') return { next: 'end', status: 'done', text: answer.text ?? 'It was done.' }
    if (answer.decision !== 'retry' && answer.decision !== 'approve')
      return {
        next: 'end',
        status: 'unknown',
        error: 'unknown',
        text: answer.text ?? 'Nobody knows whether this was done.',
      }
  }
  return { next: 'run', tool }
}

/** What a human is asked about a call. */
export function requestFor(
  run: Running,
  place: CallPlace,
  { id, name, arguments: args }: ToolCallPart,
  { kind, text, findings }: Pick<ApprovalRequest, 'kind' | 'text' | 'findings'>,
): ApprovalRequest {
  const request = { id: run.newId(), kind, ...place, call: id, tool: name, text, arguments: args }
  return signRequest(run, { ...request, ...(findings && { findings }) })
}

function answered(
  run: Running,
  state: RunState,
  wanted: Pick<ApprovalRequest, 'thread' | 'step' | 'call' | 'kind' | 'arguments'>,
  nth: number,
): { decision: string; text?: string } | undefined {
  const answers = [...state.approvals.values()].flatMap((request) => {
    const isIt =
      request.thread === wanted.thread &&
      request.step === wanted.step &&
      request.call === wanted.call &&
      request.kind === wanted.kind
    const { answer } = request
    return isIt && answer && isGenuineAnswer(run, { ...request, arguments: wanted.arguments }, answer) ? [answer] : []
  })
  return answers[nth - 1]
}

/** What was found, a line for each. */
function foundText(findings: readonly Finding[] = []): string {
  if (findings.length === 0) return ''
  const lines = findings.slice(0, mostTold).map((finding) => `- ${finding.severity}: ${explain(finding)}`)
  const more = findings.length > mostTold ? [`- and ${findings.length - mostTold} more`] : []
  return ['', 'Reading it before it runs has found that it', ...lines, ...more].join('\n')
}

function because(reason: string | undefined): string {
  return reason ? `: ${reason}` : '.'
}
