import { posix } from 'node:path'
import type { CodeLanguage, HazardName } from '../hazard.ts'
import type { Command } from './command.ts'
import { makefiles, type Recipe, recipesOf, scriptsOf } from './recipes.ts'
import { decoded, downloaded, isKnown, program, Scope } from './scope.ts'
import { downloaders } from './static-output.ts'
import { languageOf, type Nested, nestedIn, type Unwrapped, unwrap } from './unwrap.ts'

export interface Heard {
  found: (hazard: HazardName, text: string) => void
  /** A program within, to be inspected too. */
  nested: (program: Nested, scope: Scope) => void
}

/** Where a command is. */
export interface Around {
  input: string | undefined
  before: readonly Command[]
  scope: Scope
  heard: Heard
}

/** Options of interpreters that have a value behind them. */
const valued =
  /^([-+]o|-O|--rcfile|--init-file|-W|-X|-r|--require|--import|--loader|--experimental-loader|--env-file|-I|-C)$/
/** What came with the system, or was installed by its users' package managers. */
const installed =
  /^\/(usr|opt|bin|sbin|lib\w*|nix|snap)\/|(^|\/)(node_modules\/\.bin|\.?venv\/bin|\.cargo\/bin|\.local\/bin)\/[^/]+$/
/** What has taken another form on the way. */
const decoders = /^(base64|base32|basenc|xxd|openssl|uudecode|gunzip|zcat|rev)$/
/** What managers of packages do themselves. A word that is none of these is a script of the project. */
const verbs =
  /^(add|install|remove|init|exec|dlx|create|why|list|info|config|cache|set|up|upgrade|publish|pack|link|audit|outdated|update|i|rm|un)$/
const bunVerbs = /^(add|install|remove|init|create|x|pm|build|update|link|publish|outdated|audit|i|rm)$/
const marks = /[\uFDD0-\uFDD5]/g

/** What is in the program that a command names; undefined where nobody has seen it, or its name is that of one of the system. */
export function contentOfProgram(path: string, scope: Scope): string | undefined {
  if (path.includes('/')) return scope.read(path)
  if (!scope.has('PATH')) return undefined
  for (const folder of scope.valueOf('PATH').split(':')) {
    const content = scope.read(posix.join(folder || '.', path))
    if (content !== undefined) return content
  }
  return undefined
}

/** Tells of the programs that a command runs: in its arguments, its input, a file, or by what a file says. */
export function followPrograms(command: Command, called: Unwrapped, around: Around): void {
  const { input, before, scope, heard } = around
  const { found, nested } = heard
  const { words, path } = called
  const [name = '', ...args] = words
  const programs = nestedIn(words)
  for (const one of programs) follow(one, isReadAgain(one) ? 'dynamic-code' : undefined)
  if (programs.length > 0) return
  const kind = languageOf(name)
  if (kind || name === 'source' || name === '.') {
    const file = fileOf(name, args)
    if (file !== undefined) {
      runFile(file, { kind: kind ?? 'shell', by: `${name} ${file}`, rest: args.slice(args.indexOf(file) + 1) })
      return
    }
  } else {
    const content = contentOfProgram(path, scope)
    if (name === 'make' || name === 'gmake' || name === 'bmake') make(args)
    else if (/^(npm|yarn|pnpm|bun)$/.test(name)) runScript(name, args)
    else if (content !== undefined || (path.includes('/') && !installed.test(path)))
      runFile(path, { kind: languageOfText(content), by: path, rest: args, content })
    return
  }

  if (before.length === 0 && input === undefined) return
  const names = before.map((one) => unwrap(one.words).words[0] ?? '')
  const text = textOf([...before, command])
  if (names.some((one) => downloaders.has(one)) || input?.includes(downloaded)) found('download-run', text)
  else if (names.some((one) => decoders.test(one))) found('decoded-run', text)
  else if (input === undefined || isBlank(input)) found(before.length > 0 ? 'dynamic-code' : 'unseen-program', text)
  if (input !== undefined && !isBlank(input)) nested({ kind: kind ?? 'shell', text: input, by: `| ${name}` }, scope)

  /** `unseen`: what it is where a part of it is not known. */
  function follow(one: Nested, unseen: HazardName | undefined, whole: HazardName = 'dynamic-code'): void {
    const { text } = one
    if (text.includes(downloaded)) found('download-run', command.text)
    else if (text.includes(decoded)) found('decoded-run', command.text)
    else if (isBlank(text)) found(whole, command.text)
    else if (unseen && !isKnown(text)) found(unseen, command.text)
    if (!isBlank(text)) nested(one, scope)
  }

  function runFile(
    file: string,
    {
      kind: its,
      by,
      rest,
      content = isKnown(file) ? scope.read(file) : undefined,
    }: { kind: Nested['kind']; by: string; rest: string[]; content?: string | undefined },
  ): void {
    // The output of a command in the place of a file: what it says is here.
    const isOutput = content === undefined && (!isKnown(file) || /\s/.test(file))
    if (isOutput) follow({ kind: its, text: file, by }, undefined, 'unseen-program')
    else if (content === undefined) found('unseen-program', command.text)
    else if (!content.startsWith(program))
      follow({ kind: its, text: content, by, args: [file, ...rest] }, undefined, 'unseen-program')
  }

  function make(given: readonly string[]): void {
    if (given.some((arg) => /^(-h|--help|-v|--version)$/.test(arg))) return
    const { folder, file, goals, sets, own } = goalsOf(given)
    const content = (file === undefined ? makefiles : [file])
      .map((one) => scope.read(posix.join(folder, one)))
      .find((one) => one !== undefined)
    const text = [...own, ...(content === undefined || !isText(content) ? [] : [content])].join('\n')
    const recipes = recipesOf(text, goals, sets)
    if (content?.includes(downloaded)) found('download-run', command.text)
    else if (recipes === undefined || content === undefined || !isText(content)) found('unseen-program', command.text)
    runRecipes(recipes ?? [], folder)
  }

  function runScript(runner: string, given: readonly string[]): void {
    const [verb, named] = given.filter((arg) => !arg.startsWith('-'))
    const isOwn = runner !== 'npm' && verb !== undefined && !(runner === 'bun' ? bunVerbs : verbs).test(verb)
    const script =
      verb === 'run' || verb === 'run-script'
        ? named
        : /^(test|start|stop|restart)$/.test(verb ?? '') || isOwn
          ? verb
          : undefined
    if (script === undefined) return
    const content = scope.read('package.json')
    const recipes = content === undefined || !isText(content) ? undefined : scriptsOf(content, script)
    if (content?.includes(downloaded)) found('download-run', command.text)
    else if (!recipes) found('unseen-program', command.text)
    runRecipes(recipes ?? [], '.')
  }

  function runRecipes(recipes: readonly Recipe[], folder: string): void {
    for (const { by, text } of recipes) {
      // Each line of them begins in the same folder.
      const own = new Scope(scope)
      own.set('PWD', /^[/~]/.test(folder) ? folder : posix.join(scope.valueOf('PWD'), folder))
      if (!isBlank(text)) nested({ kind: 'shell', text, by }, own)
    }
  }
}

/** The file that an interpreter is given; undefined where it reads its input. */
function fileOf(name: string, args: readonly string[]): string | undefined {
  const isShell = languageOf(name) === 'shell'
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '-' || arg === '/dev/stdin' || (isShell && /^-[a-z]*s[a-z]*$/i.test(arg))) return undefined
    if (arg === '--') return args[at + 1]
    if (valued.test(arg)) at++
    else if ((name === 'deno' || name === 'bun') && arg === 'run') continue
    else if (name === 'deno' && !/[./]/.test(arg)) return undefined
    else if (!/^[-+]/.test(arg)) return arg
  }
  return undefined
}

/** What a shell reads as code once more, so that whatever is put into it may be code. */
function isReadAgain({ kind, by }: Nested): boolean {
  return kind === 'shell' && /^(eval|trap|watch|at|batch)$| (-\w*c|--command|--call)$/.test(by)
}

function goalsOf(args: readonly string[]) {
  const [goals, own]: [string[], string[]] = [[], []]
  const sets: [string, string][] = []
  let folder = '.'
  let file: string | undefined
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    const set = /^(\w+):{0,2}\??=(.*)$/s.exec(arg)
    const its = /^(?:-C(.+)|--directory=(.+)|-f(.+)|--(?:file|makefile)=(.+)|-E(.+)|--eval=(.+))$/s.exec(arg)
    if (arg === '-C' || arg === '--directory') folder = posix.join(folder, args[++at] ?? '.')
    else if (arg === '-f' || arg === '--file' || arg === '--makefile') file = args[++at]
    else if (arg === '-E' || arg === '--eval') own.push(args[++at] ?? '')
    else if (its) {
      if (its[1] ?? its[2]) folder = posix.join(folder, (its[1] ?? its[2])!)
      else if (its[3] ?? its[4]) file = its[3] ?? its[4]
      else own.push((its[5] ?? its[6])!)
    } else if (/^-[joWlI]$/.test(arg) && /^[\d.]+$/.test(args[at + 1] ?? '')) at++
    else if (set) sets.push([set[1]!, set[2]!])
    else if (!arg.startsWith('-')) goals.push(arg)
  }
  return { folder, file, goals, sets, own }
}

/** What runs a file that is called by its name. */
export function languageOfText(content = ''): CodeLanguage | 'other' {
  const first = /^#![^\n]*/.exec(content)?.[0]
  if (first === undefined) return 'shell'
  const words = first.slice(2).trim().split(/\s+/)
  return languageOf(unwrap(words).words[0] ?? '') ?? 'other'
}

export function textOf(commands: readonly Command[]): string {
  return commands.map(({ text }) => text).join(' | ')
}

/** Nothing of it is known. */
function isBlank(text: string): boolean {
  return text.replace(marks, '').trim() === ''
}

function isText(content: string): boolean {
  return !isBlank(content) && !content.startsWith(program)
}
