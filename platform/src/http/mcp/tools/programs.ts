import { type Static, Type } from 'typebox'
import type { Account } from '../../../accounts/account.ts'
import type { ContextResult } from '../../../engine/guest/context-result.ts'
import { type ContextLanguage, contextLanguages } from '../../../sandboxes/contexts/context.ts'
import { Execute } from '../../../sandboxes/program.ts'
import { plainText } from '../../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../../sandboxes/sandboxes.ts'
import { signalName } from '../../../sandboxes/signal.ts'
import { exitSchemas, exitView } from '../../exit-view.ts'
import { BoundedOutput, usualOutputBytes } from '../bounded-output.ts'
import { SandboxId, strict, type Tool, type ToolAnswer, tool } from '../tool.ts'

/** Of a call that does not say. A program that waits for what never comes must not hold a model for ever. */
const usualTimeoutSeconds = 300
/** Pictures that go with one answer, and the size of each in base64. */
const most = { images: 4, imageBytes: 1024 * 1024 }

const { cwd, env, user, stdin } = Execute.properties
const timeout = Type.Optional({
  ...Execute.properties.timeout,
  default: usualTimeoutSeconds,
  description: 'Seconds after which it is ended.',
} as typeof Execute.properties.timeout)
const maxOutputBytes = Type.Optional(
  Type.Integer({
    minimum: 256,
    maximum: 256 * 1024,
    default: usualOutputBytes,
    description: 'Of longer output the beginning and the end are given, so many bytes of each stream in all.',
  }),
)

const streams = {
  stdout: Type.String(),
  stderr: Type.String(),
  stdoutBytes: Type.Integer({ description: 'How much was written.' }),
  stderrBytes: Type.Integer(),
  truncated: Type.Boolean({ description: 'Some of the output is missing.' }),
}

const command = tool({
  name: 'run_command',
  title: 'Run a command',
  description:
    'Runs a command in a sandbox and waits for its end. An exit code that is not 0 is an answer, no error. Cancelling the call kills ' +
    'the program. For something that is to go on, such as a server, end the command with `&` and send its output to a file.',
  operation: 'execute',
  permission: 'sandboxes:exec',
  audit: 'sandbox.execute',
  destroys: true,
  input: Type.Object(
    {
      sandbox: SandboxId,
      command: Type.String({ minLength: 1, ...plainText, description: 'A line for /bin/sh.' }),
      ...{ cwd, env, user, stdin, timeout, maxOutputBytes },
    },
    strict,
  ),
  output: Type.Object({
    exitCode: exitSchemas.exitCode,
    signal: exitSchemas.signal,
    reason: exitSchemas.reason,
    ...streams,
    ms: exitSchemas.ms,
  }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, input, { account, signal }) => {
    const { sandbox: id, maxOutputBytes, ...program } = input
    const asked = { timeout: usualTimeoutSeconds, ...program }
    const process = await sandboxes.startExecution({ account, id }, asked, signal)
    const kept = bounded(maxOutputBytes)
    for await (const { stream, data } of process.output()) kept[stream].add(data)
    const { truncated, ...exit } = exitView(await process.exit)
    return { output: { ...exit, ...streamsOf(kept, truncated) } }
  },
})

const code = tool({
  name: 'run_code',
  title: 'Run code in an interpreter',
  description:
    'Runs code in an interpreter of the sandbox that keeps its variables and imports from call to call, one for each language. ' +
    'It answers with what the last expression is worth, what was printed, and pictures. Cancelling the call interrupts the code.',
  operation: 'executeInContext',
  permission: 'sandboxes:exec',
  audit: 'context.execute',
  destroys: true,
  input: Type.Object(
    {
      sandbox: SandboxId,
      code: Type.String({ ...plainText }),
      language: Type.Optional(Type.Enum([...contextLanguages], { default: 'python' })),
      context: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 64,
          ...plainText,
          description: 'Id of an interpreter; default: that of the language.',
        }),
      ),
      fresh: Type.Optional(Type.Boolean({ description: 'In a new interpreter, which knows nothing yet.' })),
      ...{ timeout, maxOutputBytes },
    },
    strict,
  ),
  output: Type.Object({
    context: Type.String({ description: 'Id of the interpreter.' }),
    reason: Type.Enum(['completed', 'raised', 'timeout', 'died', 'out_of_memory'], {
      description: 'After died and out_of_memory the interpreter is gone, and the next call begins a new one.',
    }),
    result: Type.Optional(Type.String({ description: 'What the last expression is worth.' })),
    error: Type.Optional(Type.Object({ name: Type.String(), message: Type.String(), traceback: Type.String() })),
    exitCode: Type.Optional(Type.Integer()),
    signal: Type.Optional(Type.String()),
    shown: Type.Array(Type.Object({ text: Type.Optional(Type.String()), forms: Type.Array(Type.String()) }), {
      description: 'What was shown beside that, and in which forms there is it. Pictures follow as images.',
    }),
    ...streams,
  }),
  subject: ({ sandbox, context }) => (context ? `${sandbox}/${context}` : sandbox),
  run: async ({ sandboxes }, input, { account, signal }) => {
    const { sandbox: id, code, timeout = usualTimeoutSeconds, maxOutputBytes } = input
    const contextId = await contextOf(sandboxes, { account, id }, input, signal)
    const execution = await sandboxes.contexts.start({ account, id, contextId }, { code, timeout }, signal)
    const kept = bounded(maxOutputBytes)
    const shown = new Shown(maxOutputBytes ?? usualOutputBytes)
    for await (const event of execution.events()) {
      if (event.stream === 'result') shown.add(event.result)
      else if (event.stream !== 'started') kept[event.stream].add(event.data)
    }
    const { result, error, signal: killedBy, ...outcome } = await execution.outcome
    const cut = (text: string) => cutText(text, maxOutputBytes ?? usualOutputBytes)
    return {
      output: {
        context: contextId,
        ...outcome,
        ...(result === undefined ? {} : { result: cut(result) }),
        ...(error ? { error: { name: error.name, message: cut(error.message), traceback: cut(error.traceback) } } : {}),
        ...(killedBy === undefined ? {} : { signal: signalName(killedBy) }),
        shown: shown.results,
        ...streamsOf(kept, shown.truncated),
      },
      images: shown.images,
    }
  },
})

export const programTools: Tool[] = [command, code]

/** The interpreter that was asked for: the oldest of its language unless another is named, or a new one. */
async function contextOf(
  { contexts }: Sandboxes,
  subject: { account: Account; id: string },
  { language = 'python', context, fresh }: { language?: ContextLanguage; context?: string; fresh?: boolean },
  signal: AbortSignal,
): Promise<string> {
  if (context !== undefined) return context
  const known = fresh ? [] : await contexts.list(subject)
  const [oldest] = known
    .filter((one) => one.language === language)
    .sort((one, other) => one.createdAt.getTime() - other.createdAt.getTime())
  return (oldest ?? (await contexts.create(subject, { language }, signal))).id
}

/** What code has shown, as much as an answer holds. */
class Shown {
  readonly results: { text?: string; forms: string[] }[] = []
  readonly images: NonNullable<ToolAnswer<unknown>['images']> = []
  truncated = false
  #room: number

  constructor(limitBytes: number) {
    this.#room = limitBytes
  }

  add({ main, extra, ...forms }: ContextResult): void {
    const names = [...Object.keys(forms), ...Object.keys(extra)]
    // The value of the last expression is the result, which stands for itself.
    if (main && names.every((name) => name === 'text')) return
    for (const [name, mimeType] of [
      ['png', 'image/png'],
      ['jpeg', 'image/jpeg'],
    ] as const) {
      const data = forms[name]
      if (data === undefined) continue
      if (this.images.length >= most.images || data.length > most.imageBytes) this.truncated = true
      else this.images.push({ type: 'image', data, mimeType })
    }
    const text = cutText(forms.markdown ?? forms.text ?? '', this.#room)
    this.#room -= Buffer.byteLength(text)
    if (this.#room <= 0 || this.results.length >= 100) this.truncated = true
    else this.results.push({ ...(text ? { text } : {}), forms: names })
  }
}

function bounded(limitBytes: number | undefined) {
  return { stdout: new BoundedOutput(limitBytes), stderr: new BoundedOutput(limitBytes) }
}

function streamsOf(
  kept: ReturnType<typeof bounded>,
  truncated: boolean,
): Static<ReturnType<typeof Type.Object<typeof streams>>> {
  const [stdout, stderr] = [kept.stdout.end(), kept.stderr.end()]
  return {
    stdout: stdout.text,
    stderr: stderr.text,
    stdoutBytes: stdout.bytes,
    stderrBytes: stderr.bytes,
    truncated: truncated || stdout.omittedBytes > 0 || stderr.omittedBytes > 0,
  }
}

function cutText(text: string, limitBytes: number): string {
  const output = new BoundedOutput(Math.max(2, limitBytes))
  output.add(Buffer.from(text))
  return output.end().text
}
