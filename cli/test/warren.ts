import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../bin/warren.js', import.meta.url))

export interface Outcome {
  stdout: string
  stderr: string
  code: number | null
}

/** Starts the command line as a user does. */
export function startWarren(args: string[], options: { env?: Record<string, string> } = {}) {
  const env = { ...process.env, LANG: 'C.UTF-8', LC_ALL: '', LC_MESSAGES: '', ...options.env }
  return spawn(process.execPath, [bin, ...args], { env })
}

/** Runs the command line as a user does, to its end or until `signalAfterMs`. */
export function warren(
  args: string[],
  options: { env?: Record<string, string>; stdin?: string; interruptWhen?: (stdout: string) => boolean } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = startWarren(args, options)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
      if (options.interruptWhen?.(stdout)) child.kill('SIGINT')
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.stdin ?? '')
    child.on('error', reject)
    child.on('close', (code) => resolve({ stdout, stderr, code }))
  })
}
