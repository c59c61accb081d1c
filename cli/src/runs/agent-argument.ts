import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type AgentSpec, WarrenError } from '@warren/sdk'
import { text } from '../messages.ts'
import { readSkill } from './read-skill.ts'

/** The name of an agent, or the one in a file of JSON, whose skills may be folders beside it. */
export function agentArgument(given: string): string | AgentSpec {
  if (!/[./]/.test(given) && !existsSync(given)) return given
  try {
    const { skills, ...spec } = JSON.parse(readFileSync(given, 'utf8'))
    if (!Array.isArray(skills)) return { ...spec, ...(skills !== undefined && { skills }) }
    const read = (skill: unknown) => (typeof skill === 'string' ? readSkill(resolve(dirname(given), skill)) : skill)
    return { ...spec, skills: skills.map(read) }
  } catch (cause) {
    throw new WarrenError('invalid_request', text.agentUnreadable(given, (cause as Error).message), { cause })
  }
}
