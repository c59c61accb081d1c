import { existsSync, readFileSync } from 'node:fs'
import { type AgentSpec, WarrenError } from '@warren/sdk'
import { text } from '../messages.ts'

/** The name of an agent, or the one in a file of JSON. */
export function agentArgument(given: string): string | AgentSpec {
  if (!/[./]/.test(given) && !existsSync(given)) return given
  try {
    return JSON.parse(readFileSync(given, 'utf8')) as AgentSpec
  } catch (cause) {
    throw new WarrenError('invalid_request', text.agentUnreadable(given, (cause as Error).message), { cause })
  }
}
