import type { Node } from 'web-tree-sitter'
import type { Command } from './command.ts'
import { isKnown, type Scope } from './scope.ts'
import { contentOf } from './static-output.ts'
import { fieldsOf, wordOf } from './words.ts'

const mostText = 400

/** The pipelines of a part of a script, each as the commands in it, those in brackets too. */
export function pipelinesIn(node: Node, scope: Scope): Command[][] {
  return node.namedChildren.map((child) => commandsIn(child, scope)).filter((commands) => commands.length > 0)
}

/** All commands that what is written here connects with each other, in order. */
export function commandsIn(node: Node, scope: Scope): Command[] {
  switch (node.type) {
    case 'command':
    case 'declaration_command':
    case 'unset_command':
      return [commandOf(node, scope)]
    case 'redirected_statement':
      return redirected(node, scope)
    case 'variable_assignment':
    case 'variable_assignments':
    case 'test_command':
    case 'comment':
    case 'command_substitution':
    case 'process_substitution':
    case 'function_definition':
      return []
    default:
      return node.namedChildren.flatMap((child) => commandsIn(child, scope))
  }
}

function commandOf(node: Node, scope: Scope): Command {
  const command: Command = { words: [], sets: [], redirects: [], text: node.text.slice(0, mostText) }
  if (node.type !== 'command') command.words.push(node.children[0]?.text ?? '')
  for (const child of node.namedChildren) {
    if (child.type === 'variable_assignment') {
      const [name, value] = assignmentOf(child, scope)
      if (node.type === 'command') command.sets.push([name, value])
      else command.words.push(`${name}=${value}`)
    } else if (child.type.endsWith('_redirect')) redirect(child, command, scope)
    else command.words.push(...fieldsOf(child, scope, pipelinesIn))
  }
  return command
}

/** The name and the value of `name=value`. */
export function assignmentOf(node: Node, scope: Scope): [string, string] {
  const value = node.childForFieldName('value')
  const name = node.childForFieldName('name')?.text ?? ''
  const text = value ? wordOf(value, scope, pipelinesIn) : ''
  return [name, /\+=/.test(node.text.slice(0, name.length + 2)) ? scope.valueOf(name) + text : text]
}

function redirected(node: Node, scope: Scope): Command[] {
  const body = node.childForFieldName('body')
  const commands = body ? commandsIn(body, scope) : []
  if (commands.length === 0) commands.push({ words: [], sets: [], redirects: [], text: node.text.slice(0, mostText) })
  const more: Command[] = []
  for (const child of node.namedChildren)
    if (child.type === 'heredoc_redirect') {
      redirect(child, commands[0]!, scope)
      for (const part of child.namedChildren)
        if (/pipeline|command|statement|list/.test(part.type)) more.push(...commandsIn(part, scope))
        else if (part.type === 'file_redirect') redirect(part, commands.at(-1)!, scope)
    } else if (child.type === 'herestring_redirect') redirect(child, commands[0]!, scope)
    else if (child.type === 'file_redirect') redirect(child, commands.at(-1)!, scope)
  return [...commands, ...more]
}

function redirect(node: Node, command: Command, scope: Scope): void {
  if (node.type === 'herestring_redirect') {
    const value = node.namedChildren.at(-1)
    if (value) command.input = wordOf(value, scope, pipelinesIn)
    return
  }
  if (node.type === 'heredoc_redirect') {
    const body = node.namedChildren.find(({ type }) => type === 'heredoc_body')
    if (body) command.input = wordOf(body, scope, pipelinesIn)
    return
  }
  const target = node.childForFieldName('destination')
  const operator = node.children.find(({ isNamed }) => !isNamed)?.text ?? '>'
  if (!target) return
  const word = wordOf(target, scope, pipelinesIn)
  if (operator === '<') {
    const isOutput = target.type === 'process_substitution'
    command.input ??= isOutput || !isKnown(word) ? word : contentOf(word, scope)
    if (isOutput) return
  }
  command.redirects.push({ operator, target: word })
}
