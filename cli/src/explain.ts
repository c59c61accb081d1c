import { WarrenError } from '@warren/sdk'
import { text } from './messages.ts'
import { isLocal, keyAdvice, serverUrl } from './server.ts'

/** Tells on stderr what went wrong and what to do next. */
export function explain(error: unknown, json: boolean): void {
  const { code, message, hint, requestId, details } = said(error)
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint, requestId, details } })}\n`)
    return
  }
  process.stderr.write(`warren: ${message}\n`)
  for (const { driver, reason } of passedOver(details)) process.stderr.write(`  ${driver}: ${reason}\n`)
  if (hint) process.stderr.write(`  ${hint}\n`)
  if (requestId && code === 'internal') process.stderr.write(`  ${text.requestId}: ${requestId}\n`)
}

interface Said {
  code: string
  message: string
  hint?: string | undefined
  requestId?: string | undefined
  details?: Record<string, unknown> | undefined
}

/** The error in the words of the command line, where those of the server or the SDK are for another reader. */
export function said(error: unknown): Said {
  if (!(error instanceof WarrenError))
    return { code: 'internal', message: error instanceof Error ? error.message : String(error) }
  const { code, message, hint, requestId, details } = error
  const signsIn = ['login', 'join'].includes(process.argv[2] ?? '')
  if (code === 'unauthenticated' && !signsIn) return { code, requestId, ...keyAdvice(serverUrl()) }
  if (typeof details?.noAnswer === 'string') {
    const url = serverUrl()
    const advice = isLocal(url) ? text.hintStart : text.hintRemote
    return { code, message: text.noServer(url, details.noAnswer), hint: advice, details }
  }
  return { code, message, hint, requestId, details }
}

function passedOver(details: Said['details']): { driver: string; reason: string }[] {
  return Array.isArray(details?.passedOver) ? details.passedOver : []
}
