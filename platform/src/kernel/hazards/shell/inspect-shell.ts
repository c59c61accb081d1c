import { posix } from 'node:path'
import type { Node } from 'web-tree-sitter'
import type { HazardName } from '../hazard.ts'
import { hazardOfReading, hazardOfWriting } from '../sensitive-places.ts'
import { hazardsOfArguments, isShellOnNetwork, senders } from './arguments-of.ts'
import type { Command } from './command.ts'
import { assignmentOf, commandsIn, pipelinesIn } from './commands-in.ts'
import { decoded, downloaded, isKnown, Scope, secret } from './scope.ts'
import { downloaders, outputOf } from './static-output.ts'
import { languageOf, type Nested, nestedIn, unwrap } from './unwrap.ts'
import { fieldsOf, wordOf } from './words.ts'

export interface Heard {
  found: (hazard: HazardName, text: string) => void
  /** A program within, to be inspected too. */
  nested: (program: Nested, scope: Scope) => void
}

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

interface Around {
  input: string | undefined
  before: readonly Command[]
  scope: Scope
  heard: Heard
}

function judgeCommand(command: Command, around: Around): void {
  const { scope, heard } = around
  const { found } = heard
  const { words, sets, wrappers } = unwrap(command.words)
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
  runs(command, words, around)
  if (name === 'declare' || name === 'export' || name === 'local' || name === 'readonly')
    for (const arg of args) {
      const set = /^(\w+)=(.*)$/s.exec(arg)
      if (set) assign([set[1]!, set[2]!], command.text, scope, heard)
    }
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
    if (folder !== undefined) scope.set('PWD', isKnown(folder) ? posix.normalize(scope.placeOf(folder)) : '.')
  }
}

/** Programs that it runs: in its arguments, its input or a file. */
function runs(command: Command, words: readonly string[], { input, before, scope, heard }: Around): void {
  const { found, nested } = heard
  const [name = '', ...args] = words
  const programs = nestedIn(words)
  for (const program of programs) run(program, program.text)
  const kind = languageOf(name)
  const isSourced = name === 'source' || name === '.'
  const own = command.words.find((word) => word.includes('/'))
  const file = kind || isSourced ? args.find((arg) => !arg.startsWith('-') || arg === '-') : undefined
  const path = file ?? (own !== undefined && unwrap([own]).words[0] === name ? own : undefined)
  if (programs.length === 0 && path !== undefined && path !== '-' && path !== '/dev/stdin') {
    const content = isKnown(path) ? scope.files.get(posix.normalize(path)) : path
    if (content !== undefined)
      run({ kind: kind ?? 'shell', text: content, by: kind || isSourced ? `${name} ${path}` : path }, content)
    return
  }
  if (programs.length > 0 || !kind) return
  const reads = file === undefined || file === '-' || file === '/dev/stdin'
  if (!reads || (before.length === 0 && input === undefined)) return
  const names = before.map((one) => unwrap(one.words).words[0] ?? '')
  if (names.some((one) => downloaders.has(one)) || input?.includes(downloaded))
    found('download-run', textOf([...before, command]))
  else if (names.some((one, at) => /^(base64|base32|xxd|openssl|uudecode|gunzip|zcat|rev)$/.test(one) && at >= 0))
    found('decoded-run', textOf([...before, command]))
  if (input !== undefined && isKnown(input)) nested({ kind, text: input, by: `| ${name}` }, scope)

  function run(program: Nested, text: string): void {
    if (text.includes(downloaded)) found('download-run', command.text)
    else if (text.includes(decoded)) found('decoded-run', command.text)
    if (text.length > 1) nested(program, scope)
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
      scope.write(posix.normalize(target), outputOf([...before, command], scope))
  }
}

/** What is known of the files that it makes. */
function keepFiles(command: Command, [name = '', ...args]: readonly string[], { scope, before, input }: Around): void {
  const files = args.filter((arg) => !arg.startsWith('-'))
  if (name === 'tee')
    for (const file of files) scope.write(posix.normalize(file), input ?? outputOf([...before, command], scope))
  if (name === 'cp' || name === 'mv') {
    const content = scope.files.get(posix.normalize(files[0] ?? ''))
    if (content !== undefined && files[1]) scope.write(posix.normalize(files[1]), content)
  }
  if (name !== 'curl' && name !== 'wget' && name !== 'aria2c') return
  const behind = args.findIndex((arg) => /^-\w*[oO]$|^--output(-document)?$/.test(arg))
  const named = args.map((arg) => /^(?:--output(?:-document)?=|-[oO](?=[^-\s]))(.+)$/.exec(arg)?.[1]).find(Boolean)
  const url = files.find((arg) => /^\w+:\/\/|\.\w+\//.test(arg))
  const last = url
    ?.replace(/[?#].*$/, '')
    .split('/')
    .at(-1)
  const isNamedByUrl = name !== 'curl' || args.some((arg) => /^-\w*O|--remote-name/.test(arg))
  const given = named ?? (behind >= 0 ? args[behind + 1] : undefined)
  if (given && !/^\w+:\/\//.test(given)) scope.write(posix.normalize(given), downloaded)
  else if (last && isNamedByUrl) scope.write(last, downloaded)
}

function readsOf({ words, redirects: all }: Command): string[] {
  const args = words.slice(1).map((word) => word.replace(/^[^/~]*[@=](?=[/~])/, ''))
  return [...args, ...all.filter(({ operator }) => operator.includes('<')).map(({ target }) => target)]
}

function textOf(commands: readonly Command[]): string {
  return commands.map(({ text }) => text).join(' | ')
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
