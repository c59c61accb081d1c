import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import type { Inspected } from '../../kernel/hazards/hazard.ts'
import type { Execution } from '../../sandboxes/execute.ts'
import type { Execute } from '../../sandboxes/program.ts'
import { checkPath, type Paths } from './check-path.ts'
import { theSandbox } from './resource-locks.ts'
import type { RunSandbox, SandboxHands } from './run-sandbox.ts'
import { type Tool, type ToolContext, ToolError, type ToolResult } from './tool.ts'
import { SandboxObservation } from './watch-sandbox.ts'

export interface InSandbox {
  hands: Pick<SandboxHands, 'execute' | 'running' | 'network'>
  account: Account
  sandbox: RunSandbox
  /** Where its tools may read and write; anywhere without. */
  paths?: Paths | undefined
}

const seconds = { type: 'number', exclusiveMinimum: 0, maximum: 600, description: 'Seconds; default 60.' }
const path = { type: 'string', minLength: 1, maxLength: 4096, description: "Absolute, or relative to the user's home." }
const mostReadBytes = 4 * 1024 * 1024

/** Tools that run in the sandbox of the run, and see nothing but it. */
export function sandboxTools(inside: InSandbox): Tool[] {
  return [
    {
      name: 'shell',
      description:
        'Runs a line of /bin/sh in your sandbox. Answers its output and exit code. Files last between calls, variables do not.',
      inputSchema: object(
        { command: { type: 'string', minLength: 1, maxLength: 100_000 }, cwd: path, timeout: seconds },
        ['command'],
      ),
      effect: 'once',
      changesDisk: true,
      timeoutMs: 620_000,
      inspected: ({ command, cwd }: { command: string; cwd?: string }) => [
        { kind: 'shell', text: command, ...(cwd && { folder: inHome(cwd) }) },
      ],
      leaves: ({ command, cwd }: { command: string; cwd?: string }) => [
        { kind: 'ran', text: command, ...(cwd && { folder: inHome(cwd) }) },
      ],
      resources: () => [theSandbox],
      handler: async (context, { command, cwd, timeout = 60 }: { command: string; cwd?: string; timeout?: number }) =>
        shown(await execute(inside, context, { command, timeout, ...(cwd && { cwd }) })),
    },
    {
      name: 'run_code',
      description:
        'Runs a program in your sandbox, from its source code. Answers what it prints. Each call begins anew; files last.',
      inputSchema: object(
        {
          code: { type: 'string', minLength: 1, maxLength: 500_000 },
          language: { enum: ['python', 'javascript', 'typescript', 'bash'] },
          timeout: seconds,
        },
        ['code', 'language'],
      ),
      effect: 'once',
      changesDisk: true,
      timeoutMs: 620_000,
      inspected: ({ code, language }: { code: string; language: CodeLanguage }) => [
        { kind: language === 'bash' ? 'shell' : language, text: code },
      ],
      leaves: ({ code, language }: { code: string; language: CodeLanguage }) =>
        language === 'bash' ? [{ kind: 'ran', text: code }] : [],
      resources: () => [theSandbox],
      handler: async (context, { timeout = 60, ...program }: Pick<Execute, 'code' | 'language' | 'timeout'>) =>
        shown(await execute(inside, context, { ...program, timeout })),
    },
    {
      name: 'read_file',
      description: 'Reads a text file of your sandbox.',
      inputSchema: object({ path }, ['path']),
      effect: 'read',
      inspected: ({ path: file }: { path: string }) => [{ kind: 'read', path: inHome(file) }],
      resources: () => [{ shared: theSandbox }],
      handler: async (context, { path: file }: { path: string }) =>
        (await readFile(inside, context, file)).toString('utf8'),
    },
    {
      name: 'write_file',
      description: 'Writes a text file of your sandbox; what was in it before is gone. Folders above it are made.',
      inputSchema: object({ path, content: { type: 'string', maxLength: 1_000_000 } }, ['path', 'content']),
      effect: 'idempotent',
      changesDisk: true,
      inspected: writtenFile,
      leaves: ({ path: file, content }: { path: string; content: string }) => [
        { kind: 'left', path: inHome(file), text: content },
      ],
      resources: () => [theSandbox],
      handler: async (context, { path: file, content }: { path: string; content: string }) => {
        const guest = await guestOf(inside)
        await checkPath(guest.files, inside.paths ?? {}, { file, access: 'write' })
        const { size } = await guest.files.write(
          file,
          Buffer.from(content),
          { parents: true, atomic: true },
          context.signal,
        )
        return `${file} has ${size} bytes.`
      },
    },
    {
      name: 'list_files',
      description: 'Lists a folder of your sandbox.',
      inputSchema: object({ path, depth: { type: 'integer', minimum: 1, maximum: 10 } }, ['path']),
      effect: 'read',
      resources: () => [{ shared: theSandbox }],
      handler: async (context, { path: folder, depth = 1 }: { path: string; depth?: number }) => {
        const guest = await guestOf(inside)
        await checkPath(guest.files, inside.paths ?? {}, { file: folder, access: 'read' })
        const lines: string[] = []
        for await (const { path: entry, type, size } of guest.files.list(folder, { depth }, context.signal)) {
          lines.push(`${type === 'directory' ? 'd' : '-'} ${String(size).padStart(10)} ${entry}`)
          if (lines.length >= 5000) break
        }
        return lines.join('\n') || 'The folder is empty.'
      },
    },
  ]
}

type CodeLanguage = 'python' | 'javascript' | 'typescript' | 'bash'

/** A file that is written may be run next: it is looked through as what it is. */
function writtenFile({ path: file, content }: { path: string; content: string }): Inspected[] {
  const kind = languageOfFile(file, content)
  return [{ kind: 'write', path: inHome(file) }, ...(kind ? [{ kind, text: content }] : [])]
}

function languageOfFile(file: string, content: string): Exclude<CodeLanguage, 'bash'> | 'shell' | undefined {
  const first = /^#!.*$/m.exec(content.slice(0, 200))?.[0] ?? ''
  if (/\.(sh|bash|zsh|ksh)$/.test(file) || /\b(ba|da|z|k)?sh\b/.test(first)) return 'shell'
  if (/\.pyi?$/.test(file) || /\bpython/.test(first)) return 'python'
  if (/\.[mc]?ts$/.test(file)) return 'typescript'
  return /\.[mc]?js$/.test(file) || /\b(node|bun|deno)\b/.test(first) ? 'javascript' : undefined
}

/** Paths of tools begin at the home. */
function inHome(file: string): string {
  return /^[/~]/.test(file) ? file : `~/${file}`
}

export function object(properties: Record<string, unknown>, required: string[]): Record<string, unknown> {
  return { type: 'object', properties, required, additionalProperties: false }
}

export async function execute(
  inside: InSandbox,
  { signal, observed }: ToolContext,
  input: Execute,
): Promise<Execution> {
  const id = await inside.sandbox.id().catch((error: Error) => {
    if (!(error instanceof WarrenError)) throw error
    const { code, message, hint = '' } = error
    throw new ToolError(code, `${message}. ${hint}`, { happened: false, cause: error })
  })
  signal.throwIfAborted()
  const observation = observed && (await SandboxObservation.begin(inside, id))
  signal.throwIfAborted()
  try {
    return await inside.hands.execute({ account: inside.account, id }, input, signal)
  } finally {
    if (observation) observed(await observation.end())
  }
}

export async function guestOf({ hands, account, sandbox }: InSandbox) {
  const { guest } = await hands.running({ account, id: await sandbox.id() })
  return guest
}

async function readFile(inside: InSandbox, { signal }: ToolContext, file: string): Promise<Buffer> {
  const guest = await guestOf(inside)
  await checkPath(guest.files, inside.paths ?? {}, { file, access: 'read' })
  const { stat, stream } = await guest.files.read(file, { length: mostReadBytes }, signal)
  if (stat.type === 'directory') {
    stream.destroy()
    throw new ToolError('invalid_request', `${file} is a folder`, { happened: false })
  }
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function shown({ stdout, stderr, exitCode, signal, reason, truncated }: Execution): ToolResult {
  const ends = {
    exited: `Exit code ${exitCode}.`,
    signaled: `It was ended by signal ${signal}.`,
    timeout: 'It was ended since its time was over.',
    out_of_memory: 'It was ended since the memory was used up.',
  }
  const error = stderr ? `${stdout ? '\n' : ''}[standard error]\n${stderr}` : ''
  const lost = truncated ? ' Of what it wrote, all beyond 8 MiB of a stream is lost.' : ''
  const text = `${stdout}${error}${stdout || stderr ? '\n' : ''}[${ends[reason]}${lost}]`
  return { text, isError: reason !== 'exited' || exitCode !== 0 }
}
