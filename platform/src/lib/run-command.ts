import { spawn } from 'node:child_process'

interface CommandOptions {
  timeoutMs: number
  cwd?: string
  env?: Record<string, string | undefined>
  uid?: number
  gid?: number
  /** Text for its stdin; without it stdin is /dev/null. */
  input?: string
  signal?: AbortSignal
  /** Of each stream the last so many bytes are kept. Default 64 KiB. */
  keepBytes?: number
}

export interface CommandResult {
  ok: boolean
  exitCode: number | null
  stdout: string
  stderr: string
  /** Why it is not ok, as the end of a sentence that begins with the command's name; empty if it is. */
  failure: string
}

/**
 * Runs a command of the host to its end. Never throws: a command that is missing, fails or takes longer than `timeoutMs`
 * (it is then killed) is told by `failure`. Its output is kept bounded, so it may print what it likes.
 */
export function runCommand(argv: [string, ...string[]], options: CommandOptions): Promise<CommandResult> {
  const { timeoutMs, input, signal, keepBytes = 65_536, ...spawnOptions } = options
  return new Promise((resolve) => {
    const stdout = lastBytes(keepBytes)
    const stderr = lastBytes(keepBytes)
    let overtime = false

    const child = spawn(argv[0], argv.slice(1), {
      ...spawnOptions,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    const kill = () => void child.kill('SIGKILL')
    const timer = setTimeout(() => {
      overtime = true
      kill()
    }, timeoutMs)
    if (signal?.aborted) kill()
    signal?.addEventListener('abort', kill)

    const finish = (exitCode: number | null, failure: string) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', kill)
      resolve({ ok: failure === '', exitCode, stdout: stdout.text(), stderr: stderr.text(), failure })
    }
    child.stdout?.on('data', stdout.add)
    child.stderr?.on('data', stderr.add)
    // EPIPE: the command did not want its input. Its exit code tells what matters.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    child.on('error', (error: NodeJS.ErrnoException) => {
      finish(null, error.code === 'ENOENT' ? 'is not installed' : `could not be started: ${error.message}`)
    })
    child.on('exit', (exitCode, killedBy) => {
      // A background child of the command may hold the pipes open for ever: give what is in them a moment, then go on.
      const settle = setTimeout(() => child.stdout?.destroy() && child.stderr?.destroy(), 100)
      child.on('close', () => {
        clearTimeout(settle)
        finish(
          exitCode,
          failureOf({
            exitCode,
            killedBy,
            overtime,
            aborted: signal?.aborted ?? false,
            timeoutMs,
            said: stderr.text(),
          }),
        )
      })
    })
  })
}

interface Ending {
  exitCode: number | null
  killedBy: string | null
  overtime: boolean
  aborted: boolean
  timeoutMs: number
  said: string
}

function failureOf({ exitCode, killedBy, overtime, aborted, timeoutMs, said }: Ending): string {
  if (exitCode === 0) return ''
  if (overtime) return `did not end within ${timeoutMs} ms`
  if (aborted) return 'was cancelled'
  const lastLine = said.trim().split('\n').at(-1)
  const how = killedBy ? `was killed by ${killedBy}` : `ended with exit code ${exitCode}`
  return lastLine ? `${how}: ${lastLine.slice(0, 500)}` : how
}

function lastBytes(limit: number) {
  let chunks: Buffer[] = []
  let size = 0
  return {
    add(chunk: Buffer) {
      chunks.push(chunk)
      size += chunk.length
      if (size <= 2 * limit) return
      chunks = [Buffer.concat(chunks).subarray(-limit)]
      size = limit
    },
    text: () => Buffer.concat(chunks).subarray(-limit).toString('utf8'),
  }
}
