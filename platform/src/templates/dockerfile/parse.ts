import { WarrenError } from '../../errors.ts'
import { dockerfileError, short } from './dockerfile-error.ts'
import { type HereDocument, type Instruction, readInstructions } from './instructions.ts'
import { execForm, splitWords, takeFlags } from './words.ts'

/** What a program is started with: words, or a text for a shell. */
export type Command = { exec: string[] } | { shell: string; hereDocuments: HereDocument[] }

/** An instruction of a stage. Texts are as they were written: their variables have no values yet. */
export type StageInstruction = { line: number } & (
  | { kind: 'RUN' | 'CMD' | 'ENTRYPOINT'; command: Command }
  | { kind: 'COPY'; sources: string[]; target: string; from?: string; owner?: string; mode?: string }
  | { kind: 'ENV' | 'LABEL' | 'ARG'; pairs: [name: string, value: string | undefined][] }
  | { kind: 'WORKDIR' | 'USER'; value: string }
  | { kind: 'EXPOSE'; ports: string[] }
  | { kind: 'SHELL'; shell: string[] }
)

export interface Stage {
  index: number
  /** In small letters, as Docker compares them. */
  name: string | undefined
  /** An image or a stage before this one. */
  base: string
  platform: string | undefined
  line: number
  instructions: StageInstruction[]
}

export interface Dockerfile {
  stages: Stage[]
  /** ARG before the first FROM. */
  args: [name: string, value: string | undefined][]
  escapeLetter: string
  /** What is read but does nothing here, and why. */
  notes: { line: number; message: string }[]
}

const withoutEffect: Record<string, string> = {
  VOLUME: 'VOLUME does nothing: every sandbox keeps its own files',
  HEALTHCHECK: 'HEALTHCHECK does nothing: a template has a ready command',
  STOPSIGNAL: 'STOPSIGNAL does nothing: sandboxes are killed',
  MAINTAINER: 'MAINTAINER does nothing',
}

const archives = /\.(tar|tgz|tbz2?|txz|tzst|tar\.(gz|bz2|xz|zst|lz4|Z))$/i

/** Reads a Dockerfile. Throws `invalid_request` with the line for what is wrong, and for what is not supported, by name. */
export function parseDockerfile(text: string): Dockerfile {
  const { instructions, escapeLetter } = readInstructions(text)
  const file: Dockerfile = { stages: [], args: [], escapeLetter, notes: [] }
  for (const instruction of instructions) {
    const { name, line } = instruction
    const stage = file.stages.at(-1)
    if (name === 'FROM') file.stages.push(readFrom(instruction, file))
    else if (name in withoutEffect) file.notes.push({ line, message: withoutEffect[name]! })
    else if (!stage && name === 'ARG') file.args.push(...readPairs(instruction, escapeLetter))
    else if (!stage) throw dockerfileError(line, `${short(name)} stands before the first FROM`)
    else stage.instructions.push(readInstruction(instruction, escapeLetter))
  }
  if (file.stages.length === 0) throw new WarrenError('invalid_request', 'the Dockerfile has no FROM')
  return file
}

function readFrom({ rest, line }: Instruction, { stages, escapeLetter }: Dockerfile): Stage {
  const { flags, rest: words } = takeFlags(rest)
  let platform: string | undefined
  for (const [flag, value] of flags) {
    if (flag !== 'platform' || !value) throw dockerfileError(line, `FROM knows no --${short(flag)}`)
    platform = value
  }
  const [base, as, name, ...more] = splitWords(words, escapeLetter)
  if (!base) throw dockerfileError(line, 'FROM needs an image')
  if (more.length > 0 || (as !== undefined && (as.toLowerCase() !== 'as' || !name)))
    throw dockerfileError(line, 'FROM must be FROM IMAGE or FROM IMAGE AS NAME')
  if (name !== undefined && !/^[a-zA-Z][\w.-]*$/.test(name))
    throw dockerfileError(line, `"${short(name)}" is no name of a stage`)
  const known = name?.toLowerCase()
  if (known && stages.some((stage) => stage.name === known))
    throw dockerfileError(line, `two stages are named ${known}`)
  return { index: stages.length, name: known, base, platform, line, instructions: [] }
}

function readInstruction(instruction: Instruction, escapeLetter: string): StageInstruction {
  const { name, rest, line } = instruction
  if (rest === '' && !['CMD', 'ENTRYPOINT'].includes(name))
    throw dockerfileError(line, `${short(name)} needs something behind it`)
  switch (name) {
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
      return { line, kind: name, command: readCommand(instruction) }
    case 'COPY':
    case 'ADD':
      return readCopy(instruction, escapeLetter)
    case 'ENV':
    case 'LABEL':
    case 'ARG':
      return { line, kind: name, pairs: readPairs(instruction, escapeLetter) }
    case 'WORKDIR':
    case 'USER':
      return { line, kind: name, value: rest }
    case 'EXPOSE':
      return { line, kind: name, ports: splitWords(rest, escapeLetter) }
    case 'SHELL': {
      const shell = execForm(rest)
      if (!shell?.length) throw dockerfileError(line, 'SHELL needs words in JSON, such as ["/bin/bash", "-c"]')
      return { line, kind: name, shell }
    }
    case 'ONBUILD':
      throw dockerfileError(line, 'ONBUILD is not supported')
    default:
      throw dockerfileError(line, `there is no instruction "${short(name)}"`)
  }
}

function readCommand({ name, rest, line, hereDocuments }: Instruction): Command {
  if (name !== 'RUN') {
    const exec = rest === '' ? [] : execForm(rest)
    return exec ? { exec } : { shell: rest, hereDocuments }
  }
  const { flags, rest: command } = takeFlags(rest)
  // --network=default and --security=sandbox are what is done anyway.
  const refused = flags.find(([flag, value]) => !['network=default', 'security=sandbox'].includes(`${flag}=${value}`))
  if (refused) throw dockerfileError(line, `RUN --${short(refused[0])} is not supported`)
  const exec = execForm(command)
  if (command === '' || exec?.length === 0) throw dockerfileError(line, 'RUN needs a command')
  return exec ? { exec } : { shell: command, hereDocuments }
}

function readCopy({ name, rest, line, hereDocuments }: Instruction, escapeLetter: string): StageInstruction {
  if (hereDocuments.length > 0)
    throw dockerfileError(
      line,
      `${name} of a here-document is not supported`,
      'Write the text to a file of the folder.',
    )
  const { flags, rest: words } = takeFlags(rest)
  const options: { from?: string; owner?: string; mode?: string } = {}
  for (const [flag, value] of flags) {
    if (flag === 'link' && (value === undefined || /^(true|false)$/.test(value))) continue
    if (!value) throw dockerfileError(line, `${name} --${short(flag)} needs a value`)
    if (flag === 'chown') options.owner = value
    else if (flag === 'chmod') options.mode = value
    else if (flag === 'from' && name === 'COPY') options.from = value
    else throw dockerfileError(line, `${name} --${short(flag)} is not supported`)
  }
  const paths = execForm(words) ?? splitWords(words, escapeLetter)
  const target = paths.at(-1)
  const sources = paths.slice(0, -1)
  if (target === undefined || sources.length === 0) throw dockerfileError(line, `${name} needs a source and a target`)
  for (const source of sources) if (name === 'ADD') checkAdded(source, line)
  return { line, kind: 'COPY', sources, target, ...options }
}

function checkAdded(source: string, line: number): void {
  if (/^([a-z]+:\/\/|git@)/i.test(source))
    throw dockerfileError(line, `ADD does not download: ${short(source)}`, 'Use RUN with curl or git.')
  if (archives.test(source))
    throw dockerfileError(line, `ADD does not unpack: ${short(source)}`, 'Use COPY, and RUN with tar.')
}

/** `NAME=VALUE …`, or `NAME VALUE` for one of them. */
function readPairs({ name, rest, line }: Instruction, escapeLetter: string): [string, string | undefined][] {
  const words = splitWords(rest, escapeLetter)
  const old = /^([^\s=]+)\s+([^=].*)$/s.exec(rest)
  if (name !== 'ARG' && old && !words[0]!.includes('=')) return [[checkName(old[1]!, name, line), old[2]!]]
  return words.map((word) => {
    const equals = word.indexOf('=')
    if (equals < 0 && name !== 'ARG') throw dockerfileError(line, `${name} must be NAME=VALUE, not "${short(word)}"`)
    const key = equals < 0 ? word : word.slice(0, equals)
    return [checkName(key, name, line), equals < 0 ? undefined : word.slice(equals + 1)]
  })
}

function checkName(key: string, instruction: string, line: number): string {
  if (instruction === 'LABEL' ? key !== '' : /^[A-Za-z_]\w*$/.test(key)) return key
  throw dockerfileError(line, `"${short(key)}" is no name for ${instruction}`)
}
