import { currentTrace, headerOf } from '../telemetry/trace-context.ts'

/**
 * The environment of a program that is started within a trace: it has that in `TRACEPARENT`, by OpenTelemetry's convention for
 * environments, so that spans of its own are part of it. What the caller says of it wins.
 */
export function tracedEnvironment(env: Record<string, string> | undefined): Record<string, string> | undefined {
  const trace = currentTrace()
  return trace ? { TRACEPARENT: headerOf(trace), ...env } : env
}
