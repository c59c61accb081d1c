import { hash } from 'node:crypto'
import type { AgentSpec } from '../agent.ts'
import { documentTools } from '../memory/document-tools.ts'
import { factTools } from '../memory/facts.ts'
import type { Skill } from '../skills/skill.ts'
import { askHuman } from './ask-human.ts'
import { calculator } from './calculator.ts'
import { codeTools, type InCode } from './code-tools.ts'
import { type ToolSearch, withSearch } from './find-tools.ts'
import { httpGet } from './http-get.ts'
import { loadSkill } from './load-skill.ts'
import { readResult } from './read-result.ts'
import { theSandbox } from './resource-locks.ts'
import { type InSandbox, sandboxTools } from './sandbox-tools.ts'
import { type SpawnRun, spawnAgent } from './spawn-agent.ts'
import type { Tool } from './tool.ts'

/** The tools that an agent can name. */
export const builtInTools = [
  'calculator',
  'http_get',
  'shell',
  'run_code',
  'read_file',
  'write_file',
  'list_files',
  'find_symbol',
  'references',
  'outline',
  'dependents',
  'search_code',
  'code_context',
  'remember',
  'recall',
  'search_documents',
  'ask_human',
  'spawn_agent',
] as const

export interface ToolboxOptions {
  inside: InSandbox
  code: InCode
  facts: Parameters<typeof factTools>
  documents: Parameters<typeof documentTools>
  results: Parameters<typeof readResult>[0]
  spawn: SpawnRun
  skills: readonly Skill[]
  /** Nodes of its graph spawn agents, whether or not it has the tool that does. */
  spawns?: boolean
  /** From elsewhere: those of servers. */
  more: readonly Tool[]
  toolSearch?: ToolSearch | undefined
}

/** The named tools, in the order of their names: what a model is told stays the same to the byte. */
export function toolbox(
  names: readonly string[],
  { inside, code, facts, documents, results, spawn, skills, spawns = false, more, toolSearch = 'auto' }: ToolboxOptions,
): Map<string, Tool> {
  const all = [
    calculator,
    askHuman,
    httpGet(inside),
    ...sandboxTools(inside),
    // They read files.
    ...codeTools(code).map((tool) => ({ ...tool, resources: () => [{ shared: theSandbox }] })),
    ...factTools(...facts),
    ...documentTools(...documents),
    spawnAgent(spawn),
  ]
  const chosen = [...all.filter(({ name }) => names.includes(name)), ...withSearch(more, toolSearch)]
  if (skills.length > 0) chosen.push(loadSkill(skills, inside))
  if (chosen.length > 0) chosen.push(readResult(results))
  if (spawns && !names.includes('spawn_agent')) chosen.push({ ...spawnAgent(spawn), hidden: true })
  return new Map(chosen.sort((a, b) => (a.name < b.name ? -1 : 1)).map((tool) => [tool.name, tool]))
}

export function spawnsByGraph(spec: AgentSpec | undefined): boolean {
  return spec?.graph?.nodes.some(({ agent }) => agent !== undefined) ?? false
}

/** Changes with whatever a model is told of the tools. */
export function digestOf(tools: ReadonlyMap<string, Tool>): string {
  const told = [...tools.values()].flatMap(({ name, description, inputSchema, hidden }) =>
    hidden ? [] : { name, description, inputSchema },
  )
  return hash('sha256', JSON.stringify(told), 'base64')
}
