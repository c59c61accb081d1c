import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { kind } from './frames.ts'

const sources = new Map<string, Promise<string>>()

/** What is run in a sandbox to make it a worker of this runtime. */
export async function workerProgram(runtime: string, socketPath: string): Promise<string[]> {
  if (runtime === 'python3') return ['/usr/bin/python3', '-c', await source('python.py'), socketPath]
  const parts = [await source('wire.cjs'), await source(runtime === 'custom' ? 'custom.cjs' : 'node.cjs')]
  const program = [`'use strict'\nconst kind = ${JSON.stringify(kind)}`, ...parts].join('\n')
  // Its names are not for the code of the function.
  return [process.execPath, '--max-semi-space-size=4', '-e', `(() => {\n${program}\n})()`, socketPath]
}

function source(name: string): Promise<string> {
  const known = sources.get(name) ?? readFile(fileURLToPath(new URL(`programs/${name}`, import.meta.url)), 'utf8')
  sources.set(name, known)
  return known
}
