import { WarrenError } from '../../errors.ts'
import { ToolError } from '../tools/tool.ts'

const mostMessageChars = 1000
const deepest = 5
/** Nothing has reached the server. */
const unreached = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']
/** The words of the client of the protocol for a connection that is over. */
const gone = ['CONNECTION_CLOSED', 'NOT_CONNECTED', 'SEND_FAILED', 'CLIENT_HTTP_FAILED_TO_OPEN_STREAM']

/** What went wrong with a server of tools, in our own words. */
export function asFailure(error: unknown, depth = 0): ToolError {
  if (error instanceof ToolError) return error
  const { cause: inner } = error as Error
  // The client of the protocol wraps what the connection itself says.
  if (inner instanceof Error && depth < deepest) {
    const failure = asFailure(inner, depth + 1)
    if (failure.code !== 'mcp_error') return failure
  }
  if (error instanceof WarrenError)
    return new ToolError(error.code, error.message, { transient: error.code === 'unavailable', cause: error })
  const { code, data, message } = error as Error & { code?: unknown; data?: { status?: unknown } }
  const text = message.slice(0, mostMessageChars)
  const status = data?.status
  if (status === 401 || status === 403)
    return new ToolError('mcp_unauthorized', `the server answers ${status}: ${text}`, { happened: false, cause: error })
  // It has forgotten the session: it was started anew.
  if (status === 404) return new ToolError('mcp_server_gone', text, { transient: true, happened: false, cause: error })
  if (typeof status === 'number')
    return new ToolError('mcp_error', `the server answers ${status}: ${text}`, {
      transient: status === 429 || status >= 500,
      happened: status !== 429,
      cause: error,
    })
  if (typeof code === 'string' && unreached.includes(code))
    return new ToolError('mcp_server_gone', text || code, { transient: true, happened: false, cause: error })
  if (typeof code === 'string' && (gone.includes(code) || /^E[A-Z]+$/.test(code) || message === 'aborted'))
    return new ToolError('mcp_server_gone', text || code, { transient: true, cause: error })
  if (code === 'REQUEST_TIMEOUT') return new ToolError('timeout', text, { cause: error })
  // Numbers are those of the protocol: the server has answered, and did not do it.
  if (typeof code === 'number') return new ToolError('mcp_error', text, { happened: code === -32603, cause: error })
  return new ToolError('mcp_error', text, { cause: error })
}
