import type { Node } from 'web-tree-sitter'
import type { Command } from './command.ts'
import { escapesOf } from './escapes.ts'
import { between, decoded, downloaded, isKnown, type Scope, secret, unknown } from './scope.ts'
import { outputOf } from './static-output.ts'

/** What a part of a script that runs by itself is made of; given by who reads scripts. */
export type Stages = (node: Node, scope: Scope) => Command[][]

const mostFields = 256

/** The words that a word becomes. */
export function fieldsOf(node: Node, scope: Scope, stages: Stages): string[] {
  const text = expand(node, { scope, stages, isQuoted: false })
  const isEmpty = node.type === 'string' || node.type === 'raw_string' || node.type === 'ansi_c_string'
  const fields = text.split(between).filter((part) => part !== '' || isEmpty)
  const braces = node.type !== 'string' && node.type !== 'raw_string' && node.text.includes('{')
  return (braces ? fields.flatMap((field) => withoutBraces(field)) : fields).slice(0, mostFields)
}

/** One word, as it is within quotes or behind `=`. */
export function wordOf(node: Node, scope: Scope, stages: Stages): string {
  return expand(node, { scope, stages, isQuoted: true })
}

interface Around {
  scope: Scope
  stages: Stages
  isQuoted: boolean
}

function expand(node: Node, around: Around): string {
  const { scope, isQuoted } = around
  switch (node.type) {
    case 'word':
    case 'variable_name':
    case 'special_variable_name':
    case 'number':
    case 'file_descriptor':
    case 'test_operator':
      return node.namedChildCount > 0 ? joined(node, around) : plain(node.text)
    case 'command_name':
    case 'concatenation':
      return joined(node, around)
    case 'raw_string':
      return node.text.slice(1, -1)
    case 'ansi_c_string':
      return escapesOf(node.text.slice(2, -1))
    case 'string':
    case 'translated_string':
      return joined(node, { ...around, isQuoted: true }).replace(/^\$?"|"$/g, '')
    case 'string_content':
      return node.text.replace(/\\([$`"\\\n])/g, '$1')
    case 'simple_expansion':
      return split(scope.valueOf(node.text.slice(1)), around)
    case 'expansion':
      return split(expansionOf(node, around), around)
    case 'command_substitution':
    case 'process_substitution':
      return split(substituted(node, around), { scope, isQuoted: isQuoted || node.type === 'process_substitution' })
    case 'arithmetic_expansion':
      return unknown
    case 'array':
      return node.namedChildren.map((child) => expand(child, around)).join(between)
    default:
      return node.namedChildCount > 0 ? joined(node, around) : plain(node.text)
  }
}

/** The children, with what lies between them as it is written. */
function joined(node: Node, around: Around): string {
  let text = ''
  let at = node.startIndex
  const own = (end: number) => {
    const raw = node.text.slice(at - node.startIndex, end - node.startIndex)
    return around.isQuoted ? raw.replace(/\\([$`"\\\n])/g, '$1') : plain(raw)
  }
  for (const child of node.namedChildren) {
    text += own(child.startIndex) + expand(child, around)
    at = child.endIndex
  }
  return text + own(node.endIndex)
}

function plain(text: string): string {
  return text.replace(/\\\n/g, '').replace(/\\(.)/gs, '$1')
}

function split(value: string, { scope, isQuoted }: Pick<Around, 'scope' | 'isQuoted'>): string {
  if (isQuoted) return value
  const separators = scope.valueOf('IFS')
  const words = value.replace(/[ \t\n]+/g, between)
  return /^[ \t\n]*$/.test(separators) || !isKnown(separators)
    ? words
    : [...words].map((char) => (separators.includes(char) ? between : char)).join('')
}

/** `${name}` and what can be made of it. */
function expansionOf(node: Node, around: Around): string {
  const { scope } = around
  const match = /^\$\{([!#]?)(\w+|[@*#?$!-])(?:\[[@*\w]+\])?(.*)\}$/s.exec(node.text)
  if (!match) return unknown
  const [, before, name, rest] = match as unknown as [string, string, string, string]
  if (before === '#') return unknown
  const value = before === '!' ? scope.valueOf(scope.valueOf(name)) : scope.valueOf(name)
  if (rest === '') return value
  const instead = /^:?[-=+](.*)$/s.exec(rest)
  if (instead) {
    const isSet = scope.has(name)
    if (/^:?\+/.test(rest) ? isSet : !isSet) return expandText(instead[1]!, around)
    return /^:?\+/.test(rest) ? '' : value
  }
  const part = /^:\s*(-?\d+)(?::(-?\d+))?$/.exec(rest)
  if (part && isKnown(value)) {
    const from = Number(part[1])
    const length = part[2] === undefined ? undefined : Number(part[2])
    return value.slice(from, length === undefined ? undefined : length < 0 ? length : from + length)
  }
  const cased = /^(,,?|\^\^?)$/.exec(rest)
  if (cased && isKnown(value)) {
    const [head, tail] = cased[1]!.length === 2 ? [value, ''] : [value.slice(0, 1), value.slice(1)]
    return (cased[1]!.startsWith(',') ? head.toLowerCase() : head.toUpperCase()) + tail
  }
  const taken = /^(##?|%%?)([^*?[\\$]+)$/.exec(rest)
  if (taken && isKnown(value)) {
    const [, from, part] = taken as unknown as [string, string, string]
    if (from.startsWith('#')) return value.startsWith(part) ? value.slice(part.length) : value
    return value.endsWith(part) ? value.slice(0, -part.length) : value
  }
  const replaced = /^(\/\/?)([^/\\*?[]+)\/?(.*)$/s.exec(rest)
  if (replaced && isKnown(value))
    return replaced[1] === '//'
      ? value.replaceAll(replaced[2]!, replaced[3]!)
      : value.replace(replaced[2]!, () => replaced[3]!)
  // Cut or changed otherwise, it is still from where it was.
  return isKnown(value) ? unknown : value
}

/** Of what stands instead of a variable, variables alone are filled in. */
function expandText(text: string, { scope }: Around): string {
  return plain(text.replace(/^"(.*)"$/s, '$1').replace(/\$\{?(\w+)\}?/g, (_, name: string) => scope.valueOf(name)))
}

/** The output of a script within a word, where it is known; else where it comes from. */
function substituted(node: Node, { scope, stages }: Around): string {
  if (/^(\$\(\s*|`\s*)<\s/.test(node.text)) {
    const target = node.namedChildren[0]?.childForFieldName('destination')
    return target ? (scope.read(wordOf(target, scope, stages)) ?? unknown) : unknown
  }
  const output = stages(node, scope)
    .map((pipeline) => outputOf(pipeline, scope))
    .join('\n')
  const known = output.replace(/\n+$/, '')
  if (isKnown(known)) return known
  for (const mark of [downloaded, decoded, secret]) if (known.includes(mark)) return mark
  return known.length === 1 ? known : known.replace(/\n/g, ' ')
}

/** `{a,b}` written out, innermost last. */
function withoutBraces(field: string): string[] {
  const found: string[] = []
  const waiting = [field]
  for (let rest = waiting.pop(); rest !== undefined && found.length < mostFields; rest = waiting.pop()) {
    const match = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(rest)
    if (!match) found.unshift(rest)
    else for (const choice of match[2]!.split(',').slice(0, 64)) waiting.push(`${match[1]}${choice}${match[3]}`)
  }
  return found
    .reverse()
    .filter((part, _, all) => part !== '' || all.length === 1)
    .reverse()
}
