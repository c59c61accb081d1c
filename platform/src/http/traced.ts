import type { IncomingMessage, ServerResponse } from 'node:http'
import { continueTrace, headerOf, inTrace } from '../telemetry/trace-context.ts'

/** Handles a request within the trace that its header `traceparent` names, and answers our part of it as `traceresponse`. */
export function traced(request: IncomingMessage, response: ServerResponse, handle: () => void): void {
  const { traceparent } = request.headers
  const context = continueTrace(typeof traceparent === 'string' ? traceparent : undefined)
  if (context) {
    response.setHeader('traceresponse', headerOf(context))
    inTrace(context, handle)
  } else handle()
}
