import { unknown } from './scope.ts'

/** A program that a file for a builder has in it, and what it belongs to. */
export interface Recipe {
  by: string
  text: string
}

interface Rule {
  needs: string[]
  lines: string[]
}

const mostExpanded = 20_000
const mostRecipes = 100
/** Variables that are put into each other grow without end. */
const mostExpansions = 5000

/** What names recipes in a folder, in the order in which `make` looks for it. */
export const makefiles = ['GNUmakefile', 'makefile', 'Makefile']

/**
 * The lines that `make` gives to a shell for these goals, and what it runs while it reads the file. Everything where a goal is made
 * by a pattern. Undefined where it reads others beside.
 */
export function recipesOf(
  makefile: string,
  goals: readonly string[],
  given: readonly [string, string][],
): Recipe[] | undefined {
  const variables = new Map(given)
  const rules = new Map<string, Rule>()
  const found: Recipe[] = []
  let first: string | undefined
  let open: Rule[] = []
  let isDefine: { name: string; lines: string[] } | undefined
  let readsOthers = false
  let left = mostExpansions

  const expanded = (text: string, own: Record<string, string> = {}, depth = 0): string =>
    text
      .replace(
        /\$(?:\$|\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)|\{([^{}]*)\}|(.))/g,
        (_, round?: string, curly?: string, one?: string) => {
          const name = round ?? curly ?? one
          if (name === undefined) return '$'
          if (left-- <= 0) return unknown
          const call = /^(shell|eval|call|foreach|if|or|and)\s+([\s\S]*)$/.exec(name)
          if (call?.[1] === 'shell')
            found.push({ by: 'make $(shell)', text: depth < 4 ? expanded(call[2]!, own, depth + 1) : unknown })
          if (call) return unknown
          const value = own[name] ?? variables.get(name)
          return value === undefined ? unknown : depth < 8 ? expanded(value, own, depth + 1) : unknown
        },
      )
      .slice(0, mostExpanded)

  for (const line of makefile.replace(/\\\r?\n[ \t]*/g, ' ').split(/\r?\n/)) {
    if (isDefine) {
      if (/^\s*endef\b/.test(line)) {
        variables.set(isDefine.name, isDefine.lines.join('\n'))
        isDefine = undefined
      } else isDefine.lines.push(line)
      continue
    }
    if (line.startsWith('\t')) {
      for (const rule of open) rule.lines.push(line.slice(1))
      continue
    }
    const text = line.replace(/(^|\s)#.*$/, '')
    const begins = /^\s*(?:override\s+)?define\s+(\S+)/.exec(text)
    if (begins) {
      isDefine = { name: begins[1]!, lines: [] }
      continue
    }
    if (/^\s*[-s]?include\s/.test(text)) {
      readsOthers = true
      continue
    }
    const set = /^\s*(?:export\s+|override\s+)*([\w.-]+)\s*(\?|\+|::?|!)?=\s*(.*)$/.exec(text)
    if (set) {
      const [, name, how, value] = set as unknown as [string, string, string | undefined, string]
      if (how === '!') found.push({ by: 'make !=', text: expanded(value) })
      else if (how === '+') variables.set(name, `${variables.get(name) ?? ''} ${value}`)
      else if (how !== '?' || !variables.has(name))
        if (!given.some(([one]) => one === name)) variables.set(name, value.slice(0, mostExpanded))
      // What it runs while it reads the file, whichever goal is made.
      if (how?.startsWith(':') || how === undefined) if (/\$[({]shell\s/.test(value)) expanded(value)
      continue
    }
    const rule = /^([^\t:=][^:=]*)::?([^=;]*)(?:;(.*))?$/.exec(text)
    if (!rule) {
      if (/\$[({](shell|eval|call)\s/.test(text)) expanded(text)
      if (text.trim() !== '' && !/^\s*(if|else|endif|export|unexport|vpath|\.)/.test(text)) open = []
      continue
    }
    open = []
    for (const target of expanded(rule[1]!).trim().split(/\s+/)) {
      const known = rules.get(target) ?? { needs: [], lines: [] }
      known.needs.push(
        ...expanded(rule[2]!)
          .split(/[\s|]+/)
          .filter(Boolean),
      )
      if (rule[3]) known.lines.push(rule[3].trim())
      rules.set(target, known)
      open.push(known)
      if (!target.startsWith('.')) first ??= target
    }
  }
  if (readsOthers) return undefined

  const wanted = goals.length > 0 ? [...goals] : first === undefined ? [] : [first]
  const seen = new Set<string>()
  for (let target = wanted.pop(); target !== undefined; target = wanted.pop()) {
    if (seen.has(target)) continue
    seen.add(target)
    wanted.push(...(rules.get(target)?.needs ?? []))
  }
  const isByPattern =
    [...seen].some((target) => !rules.has(target)) && [...rules.keys()].some((one) => /%|^\.\w+(\.\w+)?$/.test(one))
  for (const [target, { lines, needs }] of rules) {
    if (!seen.has(target) && !isByPattern) continue
    const own = {
      '@': target.includes('%') ? unknown : target,
      '<': needs[0] ?? unknown,
      '^': needs.join(' '),
      '*': unknown,
      MAKE: 'make',
    }
    for (const line of lines) found.push({ by: `make ${target}`, text: expanded(line, own).replace(/^[\s@+-]+/, '') })
  }
  return found.slice(0, mostRecipes)
}

/** The lines that `npm run NAME` and its like give to a shell; undefined where the file names none of this name. */
export function scriptsOf(packageJson: string, name: string): Recipe[] | undefined {
  let scripts: unknown
  try {
    scripts = (JSON.parse(packageJson) as { scripts?: unknown }).scripts
  } catch {
    return undefined
  }
  if (typeof scripts !== 'object' || scripts === null) return undefined
  const found = [`pre${name}`, name, `post${name}`].flatMap((one) => {
    const text = Object.hasOwn(scripts, one) ? (scripts as Record<string, unknown>)[one] : undefined
    return typeof text === 'string' ? [{ by: `npm run ${one}`, text }] : []
  })
  return found.length > 0 ? found : undefined
}
