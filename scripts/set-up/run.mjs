import { spawn } from 'node:child_process'

/**
 * Runs a command to its end, collecting what it prints (stdout and stderr together, the last 64 KiB).
 * Never throws: answers `{ ok, output }`. Each line is handed to `onLine` as it comes. Ended when `signal` aborts.
 */
export function run(command, args, { cwd, env, onLine, signal } = {}) {
  return new Promise((resolve) => {
    let output = ''
    let rest = ''
    const child = spawn(command, args, { cwd, env: env || process.env, stdio: ['ignore', 'pipe', 'pipe'], signal })
    const collect = (chunk) => {
      output = (output + chunk).slice(-65536)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      if (onLine) for (const line of lines) onLine(line)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.on('error', (error) => resolve({ ok: false, output: error.message }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

/** The last lines of what a failed command said, indented for the reader. */
export function tail(output, lines = 12) {
  return output.trimEnd().split('\n').slice(-lines).join('\n  ')
}
