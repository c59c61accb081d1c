import { text as readText } from 'node:stream/consumers'
import { WarrenError } from '@warren/sdk'
import { text } from '../../messages.ts'

/**
 * The value of a secret: from a variable of the environment, or what comes on standard input, without the end of its last
 * line. Never from an argument, which every user of this machine could read.
 */
export async function secretValue(variable: string | undefined): Promise<string> {
  if (variable !== undefined) {
    const value = process.env[variable]
    if (value) return value
    throw new WarrenError('invalid_request', text.noSuchVariable(variable))
  }
  if (process.stdin.isTTY) process.stderr.write(`${text.typeSecret}\n`)
  const value = (await readText(process.stdin)).replace(/\r?\n$/, '')
  if (value) return value
  throw new WarrenError('invalid_request', text.noSecretValue, { hint: text.noSecretValueHint })
}
