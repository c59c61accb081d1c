import type { Thread } from '../journal/thread.ts'
import type { Running } from '../loop/running.ts'
import type { Tool } from './tool.ts'

/** What comes with others, and is there wherever they are. */
const companions = new Set(['read_result', 'find_tools', 'load_skill'])
const known = new WeakMap<readonly string[], { of: ReadonlyMap<string, Tool>; tools: ReadonlyMap<string, Tool> }>()
const shown = new WeakMap<ReadonlyMap<string, Tool>, ReadonlyMap<string, Tool>>()

/** The tools that can be called in a conversation: all of the run, or those that it is limited to. */
export function toolsOf({ tools: of }: Pick<Running, 'tools'>, { tools: names }: Pick<Thread, 'tools'>) {
  if (!names) {
    let all = shown.get(of)
    if (!all) {
      all = [...of.values()].some(({ hidden }) => hidden) ? new Map([...of].filter(([, one]) => !one.hidden)) : of
      shown.set(of, all)
    }
    return all
  }
  let found = known.get(names)
  if (found?.of !== of) {
    const tools = new Map([...of].filter(([name, { hidden }]) => isNamed(names, name, hidden)))
    // Its description names tools that could not be called here.
    if (![...tools.values()].some(({ deferred }) => deferred)) tools.delete('find_tools')
    found = { of, tools }
    known.set(names, found)
  }
  return found.tools
}

function isNamed(names: readonly string[], name: string, hidden = false): boolean {
  if (names.includes(name) || (companions.has(name) && !hidden)) return true
  return !hidden && names.some((one) => one.endsWith('*') && name.startsWith(one.slice(0, -1)))
}
