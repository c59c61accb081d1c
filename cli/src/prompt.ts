import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** Asks on the terminal, and takes lines of standard input where that is none. */
export async function withPrompt<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
  let muted = false
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) process.stderr.write(chunk)
      done()
    },
  })
  const terminal = process.stdin.isTTY === true
  const lines = createInterface({ input: process.stdin, output, terminal })
  const answers = lines[Symbol.asyncIterator]()
  try {
    return await work(async (question, { hidden = false } = {}) => {
      process.stderr.write(`${question}: `)
      muted = hidden
      const { value } = await answers.next()
      muted = false
      if (hidden || !terminal) process.stderr.write('\n')
      return value ?? ''
    })
  } finally {
    lines.close()
  }
}

export type Ask = (question: string, options?: { hidden?: boolean }) => Promise<string>
