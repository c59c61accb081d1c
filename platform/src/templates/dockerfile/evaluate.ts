import { dockerfileError, short } from './dockerfile-error.ts'
import { expand } from './expand.ts'
import type { Command, Dockerfile, Stage, StageInstruction } from './parse.ts'
import { quote } from './words.ts'

/** What a stage begins with: the configuration of an image, or what an earlier stage came to. */
export interface StageState {
  env: Record<string, string>
  workdir: string
  user: string
  cmd: string[]
  entrypoint: string[]
  /** What CMD and ENTRYPOINT of the Dockerfile start, for a shell; those of an image do not count. */
  startCommand?: string | undefined
}

/** A step in the shape of E2B's builder, with what Docker means beyond it. Variables have their values. */
export interface DockerfileStep {
  type: 'RUN' | 'COPY' | 'ENV' | 'WORKDIR' | 'USER'
  args: string[]
  line: number
  /** Of a RUN: the words before the command. E2B's would be a login shell, which forgets the image's PATH. */
  shell?: string[]
  /** Of a RUN: the values of ARG, which programs see while the image is built only. */
  env?: Record<string, string>
  /** Of a COPY: the stage or the image whose files are copied; without it those of the build's folder. */
  from?: CopySource
}

export type CopySource = { stage: number } | { image: string }

export interface EvaluatedStage extends StageState {
  steps: DockerfileStep[]
  /** `8080/tcp` */
  exposed: string[]
  labels: Record<string, string>
}

interface Evaluating extends EvaluatedStage {
  /** What variables have come to so far. */
  letters: number
  args: Record<string, string>
  shell: string[]
}

/** What the stage itself says. After an entry point for a shell, Docker does not look at CMD. */
interface Said {
  cmd: boolean
  entrypoint: boolean
  isShell: boolean
}

interface Given {
  /** What the caller of the build gives for ARG. */
  buildArgs?: Record<string, string>
  base: StageState
}

const docker = ['/bin/sh', '-c']
const mostLetters = 8 * 1024 ** 2

/** Follows the instructions of a stage. Throws `invalid_request` with the line. */
export function evaluateStage(file: Dockerfile, stage: Stage, { buildArgs = {}, base }: Given): EvaluatedStage {
  const state: Evaluating = {
    ...base,
    env: { ...base.env },
    steps: [],
    exposed: [],
    labels: {},
    letters: 0,
    args: {},
    shell: docker,
  }
  const said = { cmd: false, entrypoint: false, isShell: false }
  for (const instruction of stage.instructions) follow(file, state, instruction, { buildArgs, said, stage })
  if (said.cmd || said.entrypoint) {
    const words = [...state.entrypoint, ...(said.isShell ? [] : state.cmd)]
    state.startCommand = words.map(quote).join(' ') || undefined
  }
  const { letters: _letters, args: _args, shell: _shell, ...evaluated } = state
  return evaluated
}

function follow(
  file: Dockerfile,
  state: Evaluating,
  instruction: StageInstruction,
  { buildArgs, said, stage }: { buildArgs: Record<string, string>; said: Said; stage: Stage },
): void {
  const { line } = instruction
  const value = (text: string) => {
    const found = valueIn(text, { ...state.args, ...state.env }, line, file.escapeLetter)
    state.letters += found.length
    if (state.letters > mostLetters) throw dockerfileError(line, `variables make more than ${mostLetters} bytes`)
    return found
  }
  const step = (type: DockerfileStep['type'], args: string[], more: Partial<DockerfileStep> = {}) =>
    state.steps.push({ type, args, line, ...more })
  switch (instruction.kind) {
    case 'RUN': {
      const env = Object.fromEntries(Object.entries(state.args).filter(([name]) => !(name in state.env)))
      const isExec = 'exec' in instruction.command
      const more = Object.keys(env).length > 0 ? { env } : {}
      return void step('RUN', [textOf(instruction.command)], { shell: isExec ? docker : state.shell, ...more })
    }
    case 'COPY': {
      const from = instruction.from === undefined ? {} : { from: copySource(file, stage, instruction.from, line) }
      const target = value(instruction.target)
      if (instruction.sources.length > 1 && !/(^|\/)\.?$/.test(target))
        throw dockerfileError(line, `COPY of several files needs a target that ends in "/", not "${short(target)}"`)
      const [owner, mode] = [value(instruction.owner ?? ''), value(instruction.mode ?? '')]
      // What is copied belongs to root, whoever runs programs.
      for (const source of instruction.sources)
        step('COPY', [value(source), target, owner || '0:0', checkMode(mode, line)], from)
      return
    }
    case 'ENV': {
      // All on one line see the values from before it.
      const pairs = instruction.pairs.map(([name, text]): [string, string] => [name, value(text ?? '')])
      Object.assign(state.env, Object.fromEntries(pairs))
      return void step('ENV', pairs.flat())
    }
    case 'ARG':
      for (const [name, text] of instruction.pairs) {
        const given = buildArgs[name] ?? (text === undefined ? globalArgs(file, buildArgs)[name] : value(text))
        if (given !== undefined) state.args[name] = given
      }
      return
    case 'WORKDIR': {
      const path = value(instruction.value)
      if (!path) throw dockerfileError(line, 'WORKDIR needs a path')
      state.workdir = path.startsWith('/') ? path : `${state.workdir.replace(/\/$/, '')}/${path}`
      return void step('WORKDIR', [state.workdir])
    }
    case 'USER': {
      const [user = '', group] = value(instruction.value).split(':')
      if (!user) throw dockerfileError(line, 'USER needs a user')
      if (group && group !== user)
        throw dockerfileError(line, 'USER takes a user, whose own group it is, and no other group')
      state.user = user
      return void step('USER', [user])
    }
    case 'CMD':
      said.cmd = true
      state.cmd = wordsOf(instruction.command, state.shell)
      return
    case 'ENTRYPOINT':
      // An entry point of its own makes an image's CMD void, unless this stage said it.
      if (!said.cmd) state.cmd = []
      said.entrypoint = true
      said.isShell = 'shell' in instruction.command
      state.entrypoint = wordsOf(instruction.command, state.shell)
      return
    case 'SHELL':
      state.shell = instruction.shell
      return
    case 'EXPOSE':
      state.exposed.push(...instruction.ports.map((port) => portOf(value(port), line)))
      return
    case 'LABEL':
      for (const [name, text] of instruction.pairs) state.labels[value(name)] = value(text ?? '')
      return
  }
}

/** ARG before the first FROM, and what Docker knows without it. */
export function globalArgs(
  { args, escapeLetter }: Dockerfile,
  buildArgs: Record<string, string>,
): Record<string, string> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const values: Record<string, string> = {}
  for (const place of ['TARGET', 'BUILD'])
    Object.assign(values, {
      [`${place}PLATFORM`]: `linux/${architecture}`,
      [`${place}OS`]: 'linux',
      [`${place}ARCH`]: architecture,
      [`${place}VARIANT`]: '',
    })
  for (const [name, text] of args) {
    const given = buildArgs[name] ?? (text === undefined ? undefined : valueIn(text, values, 1, escapeLetter))
    if (given !== undefined) values[name] = given
  }
  return values
}

/** Throws with the line. */
export function valueIn(text: string, values: Record<string, string>, line: number, escapeLetter: string): string {
  try {
    return expand(text, (name) => (Object.hasOwn(values, name) ? values[name] : undefined), escapeLetter)
  } catch (error) {
    throw dockerfileError(line, `"${short(text)}" ${(error as Error).message}`)
  }
}

/** A stage before this one by name or number, or an image. */
export function copySource({ stages }: Dockerfile, { index }: Stage, from: string, line: number): CopySource {
  const name = from.toLowerCase()
  const found = stages.find((stage) => stage.name === name) ?? (/^\d+$/.test(from) ? stages[Number(from)] : undefined)
  if (/^\d+$/.test(from) && !found) throw dockerfileError(line, `there is no stage ${short(from)}`)
  if (!found) {
    if (from.includes('$')) throw dockerfileError(line, `--from takes no variables: ${short(from)}`)
    return { image: from }
  }
  if (found.index >= index) throw dockerfileError(line, `--from=${short(from)} is not a stage before this one`)
  return { stage: found.index }
}

function textOf(command: Command): string {
  if ('exec' in command) return command.exec.map(quote).join(' ')
  const { shell, hereDocuments } = command
  if (hereDocuments.length === 0) return shell
  const [first] = hereDocuments
  const isScript = /^<<-?(["']?)[\w.-]+\1\s*$/.test(shell)
  const content = first!.stripsTabs ? first!.content.replace(/^\t+/gm, '') : first!.content
  if (isScript && !content.startsWith('#!')) return content
  const bodies = hereDocuments.map(({ content, name }) => `${content}${name}\n`).join('')
  if (!isScript) return `${shell}\n${bodies}`
  const end = `${first!.name}_OF_SCRIPT`
  return `f=$(mktemp) && cat >"$f" <<'${end}' && chmod +x "$f" && "$f" && rm -f "$f"\n${content}${end}\n`
}

function wordsOf(command: Command, shell: string[]): string[] {
  return 'exec' in command ? command.exec : [...shell, command.shell]
}

function checkMode(mode: string, line: number): string {
  if (mode === '' || /^[0-7]{3,4}$/.test(mode)) return mode
  throw dockerfileError(line, `--chmod must be octal, such as 755, not "${short(mode)}"`)
}

function portOf(text: string, line: number): string {
  const [, port = '', end, protocol = 'tcp'] = /^(\d{1,5})(-\d{1,5})?(?:\/(tcp|udp))?$/i.exec(text) ?? []
  if (Number(port) >= 1 && Number(port) <= 65535) return `${port}${end ?? ''}/${protocol.toLowerCase()}`
  throw dockerfileError(line, `"${short(text)}" is no port`)
}
