import type { CodeLanguage } from '../hazard.ts'

/** A program that is an argument of another one. */
export interface Nested {
  kind: CodeLanguage | 'other'
  text: string
  /** What runs it. */
  by: string
  /** Its arguments, from `$0` on. */
  args?: string[]
}

export interface Unwrapped {
  words: string[]
  /** The first of them as it is written, with its folder. */
  path: string
  /** What was taken off: `sudo`, `env`, `xargs`. */
  wrappers: string[]
  /** Variables that wrappers set. */
  sets: [string, string][]
}

/** Of wrappers the options that take a value of their own. */
const wrappers: Record<string, RegExp> = {
  sudo: /^-[ugpChrtTDR]$|^--(user|group|prompt|chdir|host|role|type)$/,
  doas: /^-[uC]$/,
  env: /^-[uCS]$|^--(unset|chdir)$/,
  nice: /^-n$/,
  ionice: /^-[cnp]$/,
  nohup: /^$/,
  time: /^-[fo]$/,
  timeout: /^-[ks]$|^--(kill-after|signal)$/,
  setsid: /^$/,
  stdbuf: /^-[ioe]$/,
  exec: /^-a$/,
  command: /^$/,
  builtin: /^$/,
  busybox: /^$/,
  toybox: /^$/,
  catchsegv: /^$/,
  unbuffer: /^$/,
  fakeroot: /^$/,
  xargs: /^-[aEIiLlnPsd]$|^--(arg-file|delimiter|max-args|max-procs|replace|max-lines|max-chars)$/,
  watch: /^-n$/,
  chronic: /^$/,
  strace: /^-[eops]$/,
  ltrace: /^-[eo]$/,
  taskset: /^$/,
  chrt: /^$/,
  parallel: /^-[jN]$/,
  flock: /^-[wE]$/,
  proot: /^-[rbw]$/,
  chroot: /^$/,
  setpriv: /^--(reuid|regid|groups|securebits|selinux-label|apparmor-profile)$/,
  'systemd-run': /^-[pEu]$|^--(property|unit|setenv|uid|gid|slice)$/,
  setarch: /^$/,
  coproc: /^$/,
}
/** The loader of programs, which runs the one that it is given. */
const loader = /^ld(-linux|-musl)?[\w.-]*\.so[\d.]*$/
/** Their `run` and `exec` have a command behind it. */
const runners = /^(uv|poetry|pipenv|conda|mamba|bundle|hatch|rye|pdm|pixi|mise)$/
/** These have words of their own before the command. */
const firstWords: Record<string, number> = { timeout: 1, flock: 1, chroot: 1, taskset: 1, chrt: 1 }
const mostWrappers = 16
/** Of `sed`, with what it puts where. */
const substitution = /s([/|#,:!])[^/|#,:!\n]*\1[^/|#,:!\n]*\1[gpiIm\d]*/g

export const shells = /^(r?ba|da|z|k|mk|a|tc|c|fi|ya)?sh\d*$/
const pythons = /^(python|pypy)[\d.]*$/
const scripts = /^(node|nodejs|bun|deno|tsx|ts-node)$/
const others = /^(perl|ruby|php|lua|luajit|Rscript|tclsh|pwsh|powershell|osascript)[\d.]*$/

/** What a program of this name understands. */
export function languageOf(name: string): Nested['kind'] | undefined {
  if (shells.test(name)) return 'shell'
  if (pythons.test(name)) return 'python'
  if (scripts.test(name)) return 'javascript'
  return others.test(name) ? 'other' : undefined
}

/** The command that is called in the end; its name without its folder. */
export function unwrap(all: readonly string[]): Unwrapped {
  let words = all.length > 0 ? [nameOf(all[0]!), ...all.slice(1)] : []
  let path = all[0] ?? ''
  const [taken, sets]: [string[], [string, string][]] = [[], []]
  while (words.length > 1 && taken.length < mostWrappers) {
    const name = words[0]!
    const isRunner = runners.test(name) && /^(run|exec)$/.test(words[1]!)
    const isLoader = loader.test(name)
    const valued = Object.hasOwn(wrappers, name)
      ? wrappers[name]!
      : isLoader
        ? /^--(library-path|preload|audit|argv0)$/
        : isRunner
          ? /^$/
          : undefined
    // `command -v` and `exec` of descriptors alone run nothing.
    if (!valued || (name === 'command' && /^-[vV]/.test(words[1]!))) break
    let at = isRunner ? 2 : 1
    while (at < words.length && words[at]!.startsWith('-') && words[at] !== '-') {
      if (words[at] === '--') {
        at++
        break
      }
      // A whole line in one word.
      if (name === 'env' && /^(-[iv0]*S|--split-string)/.test(words[at]!)) {
        const line = words[at]!.replace(/^(-[iv0]*S|--split-string=?)/, '') || words[++at] || ''
        words = [...words.slice(0, at + 1), ...line.split(/\s+/), ...words.slice(at + 1)]
        at++
        break
      }
      at += valued.test(words[at]!) ? 2 : 1
    }
    at += firstWords[name] ?? 0
    for (let set = /^(\w+)=(.*)$/s.exec(words[at] ?? ''); set; set = /^(\w+)=(.*)$/s.exec(words[++at] ?? ''))
      sets.push([set[1]!, set[2]!])
    if (at >= words.length) break
    taken.push(name)
    path = words[at]!
    words = [nameOf(path), ...words.slice(at + 1)]
  }
  return { words, path, wrappers: taken, sets }
}

/** Programs in the arguments of a command. */
export function nestedIn([name = '', ...args]: readonly string[]): Nested[] {
  const kind = languageOf(name)
  if (kind) {
    const flag =
      kind === 'shell'
        ? /^-[a-z]*c[a-z]*$|^--command$/i
        : kind === 'python'
          ? /^-[A-Zbdisuv]*c$/
          : name === 'php'
            ? /^-r$/
            : /^-[a-zA-Z]*[eE]$|^-[ep]+$|^--(eval|print)$/
    const at = args.findIndex((arg) => flag.test(arg))
    if (at >= 0 && at + 1 < args.length)
      return [{ kind, text: args[at + 1]!, by: `${name} ${args[at]}`, args: args.slice(at + 2) }]
    const glued =
      kind === 'python'
        ? /^-[A-Zbdisuv]*c(.+)$/s
        : kind === 'shell'
          ? undefined
          : name === 'php'
            ? /^-r(.{3,})$/s
            : /^(?:--(?:eval|print)=|-[eE])(.{3,})$/s
    const own = glued && args.map((arg) => glued.exec(arg)?.[1]).find((text) => text !== undefined)
    if (own !== undefined) return [{ kind, text: own, by: name }]
    const module = kind === 'python' ? args.findIndex((arg) => /^-[A-Zbdisuv]*m$/.test(arg)) : -1
    if (module >= 0 && module + 1 < args.length)
      return [
        {
          kind: 'shell',
          text: args
            .slice(module + 1)
            .map(quoted)
            .join(' '),
          by: `${name} -m`,
        },
      ]
    if (kind === 'javascript' && name === 'deno' && args[0] === 'eval' && args[1])
      return [{ kind, text: args[1], by: 'deno eval' }]
    return []
  }
  const shell = (text: string | undefined, by = name): Nested[] => (text ? [{ kind: 'shell', text, by }] : [])
  const behind = (flag: RegExp) => args[args.findIndex((arg) => flag.test(arg)) + 1]
  if (name === 'eval') return shell(args.join(' '))
  if (name === 'trap') return shell(args.find((arg) => !arg.startsWith('-')))
  if ((name === 'su' || name === 'runuser' || name === 'script') && args.some((arg) => /^(-\w*c|--command)$/.test(arg)))
    return shell(behind(/^(-\w*c|--command)$/), `${name} -c`)
  if (name === 'watch' || name === 'at' || name === 'batch')
    return shell(args.filter((arg) => !arg.startsWith('-')).join(' '))
  if (name === 'find') return execsOf(args)
  if (name === 'alias') return args.flatMap((arg) => shell(/^[^=]+=(.*)$/s.exec(arg)?.[1]))
  if (name === 'awk' || name === 'gawk' || name === 'mawk')
    return args.flatMap((arg) =>
      [...arg.matchAll(/(?:system\s*\(|\|&?)\s*"((?:[^"\\]|\\.)*)"|"((?:[^"\\]|\\.)*)"\s*\|&?\s*getline/g)].flatMap(
        ([, text, read]) => shell(text ?? read, 'awk'),
      ),
    )
  if (name === 'sed')
    return args.flatMap((arg) =>
      shell(/(?:^|[;\n{}/\d$])\s*e\s+(\S[^\n]*)/.exec(arg.replace(substitution, ''))?.[1], 'sed e'),
    )
  if (name === 'tar')
    return args.flatMap((arg) =>
      shell(/^--(?:checkpoint-action=exec|to-command|use-compress-program|rsh-command)=(.*)$/s.exec(arg)?.[1]),
    )
  if (name === 'ssh' || name === 'scp' || name === 'sftp')
    return args.flatMap((arg) => shell(/^(?:-o)?\s*(?:ProxyCommand|LocalCommand)[= ](.*)$/is.exec(arg)?.[1]))
  if (name === 'rsync')
    return args.flatMap((arg, at) =>
      shell(/^(-\w*e|--rsh)$/.test(args[at - 1] ?? '') ? arg : /^--rsh=(.*)$/s.exec(arg)?.[1]),
    )
  if (name === 'npx' || name === 'npm')
    return args.some((arg) => /^(-c|--call)$/.test(arg)) ? shell(behind(/^(-c|--call)$/)) : []
  if (name === 'git')
    return args.flatMap((arg) =>
      shell(
        /^alias\.\w+=!(.*)$/s.exec(arg)?.[1] ?? /^core\.(?:sshCommand|pager|editor|fsmonitor)=(.*)$/s.exec(arg)?.[1],
        'git -c',
      ),
    )
  if (name === 'docker' || name === 'podman' || name === 'kubectl') {
    const at = args.findIndex((arg) => shells.test(nameOf(arg)))
    return at >= 0 ? nestedIn([nameOf(args[at]!), ...args.slice(at + 1)]) : []
  }
  if (name === 'vim' || name === 'vi' || name === 'ex')
    return args.flatMap((arg) => shell(/^\+?:?!(.*)$/s.exec(arg)?.[1]))
  return []
}

/** Each `-exec … ;` of `find`, told of what it is called with. */
function execsOf(args: readonly string[]): Nested[] {
  const found: Nested[] = []
  const where = args
    .slice(
      0,
      Math.max(
        1,
        args.findIndex((arg) => arg.startsWith('-')),
      ),
    )
    .join(' ')
  for (let at = 0; at < args.length; at++) {
    if (!/^-(exec|execdir|ok|okdir)$/.test(args[at]!)) continue
    const end = args.findIndex((arg, index) => index > at && (arg === ';' || arg === '+'))
    const words = args.slice(at + 1, end < 0 ? undefined : end)
    const line = words.map((word) => (word === '{}' ? where : quoted(word.replaceAll('{}', where)))).join(' ')
    found.push({ kind: 'shell', text: line, by: 'find -exec' })
  }
  return found
}

export function quoted(word: string): string {
  return /^[\w@%+=:,./~*-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

export function nameOf(word: string): string {
  return word.slice(word.lastIndexOf('/') + 1)
}
