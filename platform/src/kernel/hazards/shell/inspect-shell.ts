import { posix } from 'node:path'
import type { Node } from 'web-tree-sitter'
import { hazardOfReading, hazardOfWriting } from '../sensitive-places.ts'
import { hazardsOfArguments, isShellOnNetwork, senders } from './arguments-of.ts'
import type { Command } from './command.ts'
import { assignmentOf, commandsIn, pipelinesIn } from './commands-in.ts'
import { type Around, contentOfProgram, followPrograms, type Heard, textOf } from './follow-programs.ts'
import { keepFiles } from './keep-files.ts'
import { decoded, downloaded, isKnown, program, Scope, secret, unknown } from './scope.ts'
import { outputOf } from './static-output.ts'
import { languageOf, type Unwrapped, unwrap } from './unwrap.ts'
import { fieldsOf, wordOf } from './words.ts'

const statements = new Set(['command', 'pipeline', 'redirected_statement', 'declaration_command', 'unset_command'])
const socket = /\/dev\/(tcp|udp)\//

/** Goes through a script in the order in which it is written, and tells what it finds. */
export function inspectShell(root: Node, scope: Scope, heard: Heard): void {
  visit(root, scope, heard)
}

function visit(node: Node, scope: Scope, heard: Heard): void {
  if (statements.has(node.type)) {
    judge(commandsIn(node, scope), scope, heard)
    visitWithin(node, scope, heard)
    return
  }
  if (node.type === 'variable_assignment') {
    visitWithin(node, scope, heard)
    assign(assignmentOf(node, scope), node.text, scope, heard)
    return
  }
  if (node.type === 'function_definition') {
    const name = node.childForFieldName('name')?.text ?? ''
    scope.functions.set(name, node.childForFieldName('body')?.text ?? '')
    if (callsItselfTwice(node, name)) heard.found('fork-bomb', node.text)
  }
  if (node.type === 'for_statement') {
    const name = node.childForFieldName('variable')?.text
    const values = node
      .childrenForFieldName('value')
      .flatMap((value) => (value ? fieldsOf(value, scope, pipelinesIn) : []))
    if (name && values.length > 0) scope.set(name, values.join(' '))
  }
  if (node.type === 'command_substitution' && node.namedChildren[0]?.type === 'file_redirect') {
    // `$(< file)`
    const target = node.namedChildren[0].childForFieldName('destination')
    const hazard = target && hazardOfReading(scope.placeOf(wordOf(target, scope, pipelinesIn)))
    if (hazard) heard.found(hazard, node.text)
  }
  if ((node.type === 'while_statement' || node.type === 'c_style_for_statement') && startsItself(node))
    heard.found('fork-bomb', node.text)
  for (const child of node.namedChildren) visit(child, scope, heard)
}

/** What is in brackets and substitutions of a statement. */
function visitWithin(node: Node, scope: Scope, heard: Heard): void {
  for (const child of node.namedChildren) {
    const isPart = statements.has(child.type) || !/statement|substitution|subshell|list|definition/.test(child.type)
    if (isPart) visitWithin(child, scope, heard)
    else visit(child, scope, heard)
  }
}

function assign([name, value]: [string, string], text: string, scope: Scope, heard: Heard): void {
  if (
    /^(LD_PRELOAD|LD_LIBRARY_PATH|LD_AUDIT|DYLD_INSERT_LIBRARIES|PYTHONSTARTUP|NODE_OPTIONS|PERL5OPT|BASH_ENV|ENV|PROMPT_COMMAND|GIT_SSH_COMMAND)$/.test(
      name,
    )
  ) {
    const isHarmless =
      name === 'NODE_OPTIONS' ? !/--(require|import|loader|experimental-loader|inspect)|-r\b/.test(value) : value === ''
    if (!isHarmless) heard.found('library-injection', text)
  }
  if (/^HIST(FILE|SIZE|FILESIZE|CONTROL|IGNORE)$/.test(name)) {
    const hides = name === 'HISTCONTROL' ? false : /^(|\/dev\/null|0|\*)$/.test(value)
    if (hides) heard.found('hidden-history', text)
  }
  scope.set(name, value)
}

function judge(commands: readonly Command[], scope: Scope, heard: Heard): void {
  const names = commands.map(({ words }) => unwrap(words).words[0] ?? '')
  if (isShellOnNetwork(names)) heard.found('reverse-shell', textOf(commands))
  const readsSecret = commands.some((command) =>
    readsOf(command).some((path) => hazardOfReading(path) === 'credential-file'),
  )
  for (const [at, command] of commands.entries()) {
    const before = commands.slice(0, at)
    const input = command.input ?? (at > 0 ? outputOf(before, scope) : undefined)
    const name = names[at]!
    const sends = senders.has(name) && name !== 'ssh'
    if (sends && (readsSecret || command.words.some((word) => word.includes(secret)) || input?.includes(secret)))
      heard.found('credential-sent', textOf(commands))
    judgeCommand(command, { input, before, scope, heard })
  }
}

function judgeCommand(command: Command, around: Around): void {
  const { scope, heard } = around
  const { found } = heard
  const called = asWhatItIs(unwrap(withInput(command.words, around.input)), scope)
  const { words, sets, wrappers } = called
  const [name = '', ...args] = words
  for (const [key, value] of [...command.sets, ...sets]) assign([key, value], command.text, new Scope(scope), heard)
  if (name !== '' && !isKnown(name)) {
    if (name.includes(downloaded)) found('download-run', command.text)
    else if (name.includes(decoded)) found('decoded-run', command.text)
    else found('hidden-command', command.text)
  }
  const given =
    wrappers.includes('xargs') && around.input !== undefined
      ? [...words, ...around.input.split(/\s+/).filter(Boolean)]
      : words
  const placed = given.map((word, at) => (at === 0 ? word : scope.placeOf(word)))
  for (const hazard of new Set([...hazardsOfArguments(given), ...hazardsOfArguments(placed)]))
    found(hazard, command.text)
  remember(words, around)
  const body = args.length > 0 ? scope.takeBody(name) : undefined
  if (body) heard.nested({ kind: 'shell', text: body.text, by: name, args: [name, ...args] }, body.scope)
  redirects(command, name, around)
  keepFiles(command, words, around)
  followPrograms(command, called, around)
  if (name === 'alias')
    for (const arg of args) {
      const set = /^([^=]+)=(.*)$/s.exec(arg)
      if (set) scope.functions.set(set[1]!, `${set[2]} "$@"`)
    }
  if (name === 'declare' || name === 'export' || name === 'local' || name === 'readonly')
    for (const arg of args) {
      const set = /^(\w+)=(.*)$/s.exec(arg)
      if (set) assign([set[1]!, set[2]!], command.text, scope, heard)
    }
}

/** `xargs -I {}` puts its input where that stands. */
function withInput(words: readonly string[], input: string | undefined): readonly string[] {
  const at = words.findIndex(
    (word, place) => /^-\w*I/.test(word) && words.slice(0, place).some((one) => /(^|\/)xargs$/.test(one)),
  )
  if (at < 0) return words
  const glued = words[at]!.replace(/^-\w*I/, '')
  const mark = glued || words[at + 1]
  const from = glued ? at : at + 1
  const first = input?.trim().split('\n')[0] ?? unknown
  return mark ? words.map((word, place) => (place > from ? word.replaceAll(mark, first) : word)) : words
}

/** A copy of a program by the name of the program. */
function asWhatItIs(called: Unwrapped, scope: Scope): Unwrapped {
  const content = contentOfProgram(called.path, scope)
  return content?.startsWith(program) ? { ...called, words: [content.slice(1), ...called.words.slice(1)] } : called
}

/** Where a `cd` leads to. */
function folderFrom(folder: string, to: string): string {
  if (!isKnown(to) || to === '-') return unknown
  if (/^[/~]/.test(to)) return posix.normalize(to)
  return isKnown(folder) ? posix.join(folder, to) : unknown
}

/** What it leaves behind in variables. */
function remember([name = '', ...args]: readonly string[], { scope, input, before }: Around): void {
  if (name === 'read' || name === 'mapfile' || name === 'readarray')
    for (const arg of args) if (/^\w+$/.test(arg)) scope.set(arg, input ?? scope.valueOf(''))
  if (name === 'set' && args[0] === '--') scope.setArguments([scope.valueOf('0'), ...args.slice(1)])
  if (name === 'printf' && args[0] === '-v' && args[1])
    scope.set(args[1], outputOf([{ words: ['printf', ...args.slice(2)], sets: [], redirects: [], text: '' }], scope))
  if ((name === 'cd' || name === 'pushd') && before.length === 0) {
    const folder = args.find((arg) => !arg.startsWith('-') && !arg.startsWith('+')) ?? (name === 'cd' ? '~' : undefined)
    if (folder !== undefined) scope.set('PWD', folderFrom(scope.valueOf('PWD'), folder))
  }
}

function redirects(command: Command, name: string, { scope, heard, before }: Around): void {
  const { found } = heard
  const isOpen =
    command.redirects.some(({ target }) => socket.test(target)) || command.words.some((word) => socket.test(word))
  if (isOpen) {
    const isShell =
      languageOf(name) === 'shell' ||
      name === 'exec' ||
      before.some(({ words }) => languageOf(unwrap(words).words[0] ?? '') === 'shell')
    found(isShell ? 'reverse-shell' : 'raw-socket', command.text)
  }
  for (const { operator, target } of command.redirects) {
    const of = operator.includes('>') ? hazardOfWriting : hazardOfReading
    const hazard = of(target) ?? of(scope.placeOf(target))
    if (hazard) found(hazard, command.text)
    if (operator.includes('>') && !operator.includes('&') && isKnown(target))
      scope.write(target, outputOf([...before, command], scope))
  }
}

function readsOf({ words, redirects: all }: Command): string[] {
  const args = words.slice(1).map((word) => word.replace(/^[^/~]*[@=](?=[/~])/, ''))
  return [...args, ...all.filter(({ operator }) => operator.includes('<')).map(({ target }) => target)]
}

/** `f() { f | f & }`. */
function callsItselfTwice(node: Node, name: string): boolean {
  const body = node.childForFieldName('body')
  if (!body || name === '') return false
  const calls = body.descendantsOfType('command_name').filter((one) => one?.text === name).length
  return calls >= 2 || (calls === 1 && /&\s*([;}\n]|$)/.test(body.text))
}

/** A loop that starts the same script, or another shell, in the background. */
function startsItself(node: Node): boolean {
  const [condition = '', body = ''] = [node.childForFieldName('condition')?.text, node.childForFieldName('body')?.text]
  const isEndless = /^\s*(true|:|\[ 1 \]|\[\[ 1 \]\])\s*;?$/.test(condition) || /\(\(\s*;\s*;\s*\)\)/.test(node.text)
  return isEndless && /("?\$0"?|\bbash\b|\bsh\b)[^;\n]*&(?!&)/.test(body)
}
