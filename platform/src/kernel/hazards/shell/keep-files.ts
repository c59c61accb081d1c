import { posix } from 'node:path'
import type { Command } from './command.ts'
import type { Around } from './follow-programs.ts'
import { downloaded, isKnown, unknown } from './scope.ts'
import { outputOf } from './static-output.ts'

/** Their output is what of a folder is there afterwards. */
const unpackers = /^(tar|bsdtar|unzip|7z|7za|cpio|unrar|ar)$/

/** What is known of the files that a command makes. */
export function keepFiles(command: Command, [name = '', ...args]: readonly string[], around: Around): void {
  const { scope, before, input } = around
  const files = args.filter((arg) => !arg.startsWith('-'))
  if (name === 'tee') for (const file of files) scope.write(file, input ?? outputOf([...before, command], scope))
  if (name === 'cp' || name === 'mv' || name === 'ln' || name === 'install') copied(files, around)
  if (name === 'dd') {
    const [from, to] = ['if=', 'of='].map((prefix) => args.find((arg) => arg.startsWith(prefix))?.slice(3))
    if (to) scope.write(to, (from === undefined ? input : scope.read(from)) ?? unknown)
  }
  // What is changed in its place is not what it was.
  if ((name === 'sed' || name === 'perl' || name === 'ruby') && args.some((arg) => /^-\w*i|^--in-place/.test(arg)))
    for (const file of files) if (scope.read(file) !== undefined) scope.write(file, unknown)
  if (name === 'patch' || name === 'truncate' || name === 'ed') for (const file of files) scope.write(file, unknown)
  if (name === 'git') cloned(files, args, around)
  if (unpackers.test(name)) unpacked(args, files, around)
  if (name === 'curl' || name === 'wget' || name === 'aria2c') fetched(name, args, files, around)
}

function copied(files: readonly string[], { scope }: Around): void {
  const to = files.at(-1)
  if (files.length < 2 || to === undefined) return
  for (const from of files.slice(0, -1)) {
    const content = scope.read(from)
    if (content === undefined) {
      // Whatever it is now, it is not what was known of it.
      if (scope.read(to) !== undefined) scope.write(to, unknown)
      continue
    }
    scope.write(to, content)
    // Where that is a folder.
    if (isKnown(from)) scope.write(posix.join(to, posix.basename(from)), content)
  }
}

function cloned(files: readonly string[], args: readonly string[], { scope }: Around): void {
  const at = files.findIndex((arg) => arg === 'clone' || arg === 'pull' || arg === 'fetch' || arg === 'submodule')
  if (at < 0) return
  const from = files.findIndex((arg, place) => place > at && isAddress(arg))
  const folder =
    files[at] !== 'clone' ? folderBehind(args) : from < 0 ? undefined : (files[from + 1] ?? folderOf(files[from]))
  if (folder !== undefined) scope.fill(folder, downloaded)
}

function folderBehind(args: readonly string[]): string {
  return args[args.indexOf('-C') + 1] ?? '.'
}

function folderOf(address: string | undefined): string | undefined {
  return address
    ?.replace(/[/]+$/, '')
    .replace(/\.git$/, '')
    .split(/[/:]/)
    .at(-1)
}

function isAddress(arg: string): boolean {
  return /^[\w+]+:\/\/|^[\w.-]+@[\w.-]+:|^[\w-]+:[\w.-]+\/|^[/.~]/.test(arg) || !isKnown(arg)
}

/** What is unpacked is from where its archive is. */
function unpacked(args: readonly string[], files: readonly string[], { scope, input }: Around): void {
  if (args.some((arg) => /^(-\w*[ctrua]\w*|--(create|list|append|update)|[ctru]\w*|-l)$/.test(arg) && !/x/.test(arg)))
    return
  const from = files.map((file) => scope.read(file)).find((content) => content !== undefined) ?? input
  if (!from?.includes(downloaded)) return
  const folder = args[args.findIndex((arg) => /^(-\w*[Cd]|--directory)$/.test(arg)) + 1]
  const isNamed = args.some((arg) => /^(-\w*[Cd]|--directory)$/.test(arg))
  scope.fill(isNamed && folder ? folder : '.', downloaded)
}

function fetched(name: string, args: readonly string[], files: readonly string[], { scope }: Around): void {
  const behind = args.findIndex((arg) => /^-\w*[oO]$|^--output(-document)?$/.test(arg))
  const named = args.map((arg) => /^(?:--output(?:-document)?=|-[oO](?=[^-\s]))(.+)$/.exec(arg)?.[1]).find(Boolean)
  const url = files.find((arg) => /^\w+:\/\/|\.\w+\//.test(arg))
  const last = url
    ?.replace(/[?#].*$/, '')
    .split('/')
    .at(-1)
  const isNamedByUrl = name !== 'curl' || args.some((arg) => /^-\w*O|--remote-name/.test(arg))
  const given = named ?? (behind >= 0 ? args[behind + 1] : undefined)
  if (given && !/^\w+:\/\//.test(given)) scope.write(given, downloaded)
  else if (last && isNamedByUrl) scope.write(last, downloaded)
}
