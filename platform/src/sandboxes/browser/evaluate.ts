import { type Answer, asAnswer, asText } from '../../engine/guest/browser/devtools.ts'
import { type Page, thrownIn } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { Evaluated, EvaluateInPage } from './browser.ts'
import { withPage } from './with-page.ts'

/** What a value may take as JSON. */
const mostBytes = 1024 * 1024

/** Runs JavaScript in the page. What it throws is an answer. Rejects `timeout` when it does not come to an end. */
export function evaluateInPage(
  deps: SandboxDeps,
  subject: Subject,
  { expression, timeout }: EvaluateInPage,
  signal: AbortSignal,
): Promise<Evaluated> {
  return withPage(deps, subject, { timeout, signal }, async ({ page, patienceMs }) => {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      // What waits for a promise has no end of its own; what computes is broken off.
      page.call('Runtime.terminateExecution').catch(() => {})
      late.reject(
        new WarrenError('timeout', `the expression had not come to an end after ${patienceMs / 1000} s`, {
          hint: 'Ask for a longer "timeout".',
        }),
      )
    }, patienceMs)
    const evaluated = resultOf(page, expression)
    evaluated.catch(() => {})
    try {
      const { result, exceptionDetails } = await Promise.race([evaluated, late.promise])
      const { type, value, unserializableValue } = asAnswer(result)
      const kind = asText(type, 40) || 'undefined'
      if (exceptionDetails) return { type: kind, error: thrownIn(exceptionDetails) }
      if (unserializableValue !== undefined) return { type: kind, value: asText(unserializableValue) }
      requireSmall(value)
      return { type: kind, ...(value === undefined ? {} : { value }) }
    } finally {
      clearTimeout(timer)
    }
  })
}

/** As a console has it: `await` works anywhere, and names may be declared again. */
async function resultOf(page: Page, expression: string): Promise<Answer> {
  const first = await page.call('Runtime.evaluate', { expression, userGesture: true, replMode: true })
  const { objectId, subtype, type } = asAnswer(first.result)
  if (first.exceptionDetails || objectId === undefined || type === 'function') return first
  if (subtype === 'promise')
    return page.call('Runtime.awaitPromise', { promiseObjectId: objectId, returnByValue: true })
  return page.call('Runtime.callFunctionOn', {
    objectId,
    functionDeclaration: 'function () { return this }',
    returnByValue: true,
  })
}

function requireSmall(value: unknown): void {
  let bytes: number
  try {
    bytes = Buffer.byteLength(JSON.stringify(value) ?? '')
  } catch (cause) {
    throw new WarrenError('too_large', 'the value is nested too deeply to be written as JSON', { cause })
  }
  if (bytes > mostBytes)
    throw new WarrenError('too_large', `the value has ${bytes} bytes as JSON, over 1 MiB`, {
      hint: 'Ask for less of it, or write it to a file in the sandbox.',
    })
}
