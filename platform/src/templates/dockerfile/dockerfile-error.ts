import { WarrenError } from '../../errors.ts'

/** What is wrong with a Dockerfile, and in which line. */
export function dockerfileError(line: number, message: string, hint?: string): WarrenError {
  return new WarrenError('invalid_request', `Dockerfile, line ${line}: ${message}`, {
    details: { line },
    ...(hint ? { hint } : {}),
  })
}

/** For messages. */
export function short(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
