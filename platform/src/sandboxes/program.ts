import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'
import { Environment, maxTimeoutSeconds, plainText } from './sandbox.ts'

export const languages = ['python', 'javascript', 'typescript', 'bash'] as const

const text = Type.String({ ...plainText })

const programSchemas = {
  code: Type.Optional(Type.String({ ...plainText, description: 'Source code to run; either this or `command`.' })),
  language: Type.Optional(Type.Enum([...languages], { default: 'python' })),
  command: Type.Optional(
    Type.Union([Type.String({ minLength: 1, ...plainText }), Type.Array(text, { minItems: 1, maxItems: 10_000 })], {
      description: 'A line for /bin/sh, or a list: the program and its arguments as they are.',
    }),
  ),
  env: Type.Optional(Environment),
  cwd: Type.Optional(Type.String({ minLength: 1, ...plainText, description: 'Default: the home of the user.' })),
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 64, ...plainText, default: 'user' })),
  timeout: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: maxTimeoutSeconds,
      description: 'Seconds after which the process group is ended (SIGTERM, then SIGKILL).',
    }),
  ),
}

/** What to run: code in a language, or a command; with its surroundings. */
export const Program = Type.Object(programSchemas)
export type Program = Static<typeof Program>

export const Execute = Type.Object(
  {
    ...programSchemas,
    stdin: Type.Optional(Type.String({ description: 'Given to the process as its standard input.' })),
    stream: Type.Optional(
      Type.Boolean({ description: 'Answer with server-sent events, as `Accept: text/event-stream` does.' }),
    ),
  },
  { $id: 'Execute', additionalProperties: false },
)
export type Execute = Static<typeof Execute>

const terminalSize = {
  cols: Type.Integer({ minimum: 1, maximum: 1000 }),
  rows: Type.Integer({ minimum: 1, maximum: 1000 }),
}
export const TerminalSize = Type.Object(terminalSize, { $id: 'TerminalSize', additionalProperties: false })

export const StartProcess = Type.Object(
  {
    ...programSchemas,
    pty: Type.Optional(
      Type.Object(terminalSize, { additionalProperties: false, description: 'Run it in a terminal.' }),
    ),
    stdin: Type.Optional(Type.Boolean({ description: 'Keep its standard input open for later writes.' })),
    tag: Type.Optional(Type.String({ maxLength: 256, ...plainText, description: 'A label of your own.' })),
  },
  { $id: 'StartProcess', additionalProperties: false },
)
export type StartProcess = Static<typeof StartProcess>

/** Linux takes no single argument over 128 KiB; longer code goes through standard input. */
const maxArgumentBytes = 100_000

/** What `node` must be started with to take TypeScript. Node before 22.7 refuses it. */
export const nodeForTypeScript = ['node', '--experimental-strip-types', '--no-warnings']

/**
 * The argument list that runs `program`, and what must be written to its standard input when the code is too long for
 * an argument. Throws `invalid_request` unless there is exactly one of `code` and `command`.
 */
export function argvOf(program: Program): { argv: string[]; stdin?: string } {
  const { code, command, language } = program
  if ((code === undefined) === (command === undefined)) {
    throw new WarrenError('invalid_request', 'the body must have either "code" or "command", and not both')
  }
  if (Array.isArray(command)) {
    const long = command.findIndex((argument) => Buffer.byteLength(argument) >= 128 * 1024)
    if (long < 0) return { argv: command }
    throw new WarrenError(
      'invalid_request',
      `command[${long}] is longer than the 128 KiB that Linux takes as one argument`,
    )
  }
  if (command !== undefined) {
    if (language !== undefined)
      throw new WarrenError('invalid_request', '"language" goes with "code", not with "command"')
    return script(command, ['/bin/sh', '-c'], ['/bin/sh', '-s'])
  }
  switch (language ?? 'python') {
    case 'python':
      return script(code!, ['python3', '-c'], ['python3', '-'])
    case 'javascript':
      return script(code!, ['node', '-e'], ['node', '-'])
    case 'typescript':
      return script(code!, [...nodeForTypeScript, '-e'], [...nodeForTypeScript, '-'])
    case 'bash':
      return script(code!, ['bash', '-c'], ['bash', '-s'])
  }
}

function script(code: string, asArgument: string[], fromStdin: string[]): { argv: string[]; stdin?: string } {
  return Buffer.byteLength(code) <= maxArgumentBytes
    ? { argv: [...asArgument, code] }
    : { argv: fromStdin, stdin: code }
}
