import type { IncomingMessage, ServerResponse } from 'node:http'
import { begin, takesSpans } from '../telemetry/spans.ts'
import {
  continueTrace,
  currentTrace,
  headerOf,
  inTrace,
  isRecorded,
  newTrace,
  type TraceContext,
} from '../telemetry/trace-context.ts'
import { withoutKeys } from './keys-in-addresses.ts'

/**
 * Handles a request within the trace that its header `traceparent` names, or, where spans are exported, within one of its own;
 * answers our part of it as `traceresponse`.
 */
export function traced(request: IncomingMessage, response: ServerResponse, handle: () => void): void {
  const { traceparent } = request.headers
  const given = continueTrace(typeof traceparent === 'string' ? traceparent : undefined)
  const context = given ?? (takesSpans() ? newTrace() : undefined)
  if (!context) return void handle()
  response.setHeader('traceresponse', headerOf(context))
  if (takesSpans() && isRecorded(context)) tellWhenAnswered(context, request, response)
  inTrace(context, handle)
}

/** Headers of a request that another node answers: its spans are within ours, where ours are exported. */
export function withinTrace(headers: readonly string[]): string[] {
  const context = takesSpans() ? currentTrace() : undefined
  if (!context || !isRecorded(context)) return [...headers]
  const others = headers.filter((_, at) => headers[at - (at % 2)]!.toLowerCase() !== 'traceparent')
  return [...others, 'traceparent', headerOf(context)]
}

function tellWhenAnswered(context: TraceContext, request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '' } = request
  const path = withoutKeys(url).split('?')[0]!.slice(0, 300)
  const attributes = { 'http.request.method': method, 'url.path': path }
  const end = begin(context, { name: method, kind: 'server', attributes })
  response.once('close', () => {
    const { statusCode, writableFinished } = response
    const failure = !writableFinished ? 'the client went away' : statusCode >= 500 ? `status ${statusCode}` : undefined
    const requestId = String(response.getHeader('x-request-id') ?? '')
    end({
      attributes: { 'http.response.status_code': statusCode, ...(requestId && { 'warren.request_id': requestId }) },
      failure,
    })
  })
}
