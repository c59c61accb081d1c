import { WarrenError } from '@warren/sdk'
import { text } from './messages.ts'

/** Tells on stderr what went wrong and what to do next. */
export function explain(error: unknown, json: boolean): void {
  const { code, message, hint, requestId } = error instanceof WarrenError ? error : plain(error)
  const advice = hint ?? (code === 'unauthenticated' ? text.hintKey : undefined)
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint: advice, requestId } })}\n`)
    return
  }
  process.stderr.write(`warren: ${message}\n`)
  if (advice) process.stderr.write(`  ${advice}\n`)
  if (requestId && code === 'internal') process.stderr.write(`  ${text.requestId}: ${requestId}\n`)
}

function plain(error: unknown): { code: string; message: string; hint?: string; requestId?: string } {
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) }
}
