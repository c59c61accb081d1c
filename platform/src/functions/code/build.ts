import { WarrenError } from '../../errors.ts'
import type { FunctionRuntime } from '../function.ts'
import { buildNode } from './build-node.ts'
import type { Code } from './code-store.ts'
import type { SourceFiles } from './source-files.ts'

/** What workers of this runtime take, of what was uploaded. Nothing of it is run here. */
export async function buildCode(
  runtime: FunctionRuntime,
  files: SourceFiles,
  entry: string | undefined,
): Promise<Code> {
  if (runtime === 'node24') return buildNode(files, entry)
  const wanted = entry ?? (runtime === 'custom' ? customEntry(files) : pythonEntry(files))
  if (!files.has(wanted))
    throw new WarrenError('invalid_request', `the file "${wanted}", which is to be run, is not among the files`, {
      hint: 'Say with `entry` which file it is.',
    })
  const listed = [...files].map(([path, { length }]) => ({
    path,
    bytes: length,
    ...(runtime === 'custom' && path === wanted ? { executable: true } : {}),
  }))
  return {
    head: { sourceBytes: 0, cacheBytes: 0, files: listed, entry: wanted },
    bytes: Buffer.concat([...files.values()]),
  }
}

function pythonEntry(files: SourceFiles): string {
  const usual = ['main.py', 'index.py', 'handler.py', 'lambda_function.py', 'app.py'].find((path) => files.has(path))
  const code = [...files.keys()].filter((path) => /^[^/]+\.py$/.test(path))
  return usual ?? (code.length === 1 ? code[0]! : 'main.py')
}

function customEntry(files: SourceFiles): string {
  return files.size === 1 ? [...files.keys()][0]! : 'bootstrap'
}
