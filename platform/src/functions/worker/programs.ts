import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { kind } from './frames.ts'

/** By this a worker is known among processes. */
const mark = 'warren-function'
const sources = new Map<string, Promise<string>>()

/** What is run in a sandbox to make it a worker of this runtime. */
export async function workerProgram(runtime: string, preload: readonly string[]): Promise<string[]> {
  const join = async (...names: string[]) => (await Promise.all(names.map(source))).join('\n')
  if (runtime === 'python3') return ['/usr/bin/python3', '-c', await join('calls.py', 'python.py'), mark, ...preload]
  const parts = await (runtime === 'custom'
    ? join('wire.cjs', 'custom.cjs')
    : join('wire.cjs', 'calls.cjs', 'node.cjs'))
  const program = `'use strict'\nconst kind = ${JSON.stringify(kind)}\n${parts}`
  // Its names are not for the code of the function.
  return [process.execPath, '--max-semi-space-size=4', '-e', `(() => {\n${program}\n})()`, mark]
}

function source(name: string): Promise<string> {
  const known = sources.get(name) ?? readFile(fileURLToPath(new URL(`programs/${name}`, import.meta.url)), 'utf8')
  sources.set(name, known)
  return known
}
