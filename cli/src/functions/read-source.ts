import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, posix, relative, resolve } from 'node:path'
import { type DeployOptions, WarrenError } from '@warren/sdk'
import { build } from 'esbuild'
import { text } from '../messages.ts'
import { readZip } from './read-zip.ts'

type Source = Pick<DeployOptions, 'runtime' | 'files' | 'entry'>

const script = /\.[cm]?[jt]sx?$/
const nodeEntries = ['index', 'main', 'handler', 'src/index', 'src/main'].flatMap((name) =>
  ['.ts', '.mts', '.js', '.mjs', '.cjs', '.cts'].map((ending) => name + ending),
)
const leftOut = /^(node_modules|\.git|\.venv|__pycache__|\.DS_Store|\.env.*)$/

/**
 * What is to be deployed of a file, a folder or a zip. JavaScript and TypeScript become one file, packages included, here;
 * nothing of it is run.
 */
export async function readSource(
  path: string,
  given: { runtime?: DeployOptions['runtime']; entry?: string },
): Promise<Source> {
  const info = await stat(path).catch((cause) => {
    throw new WarrenError('not_found', text.noSource(path), { cause })
  })
  if (info.isFile() && extname(path) === '.zip') {
    const files = readZip(await readFile(path))
    return {
      runtime: given.runtime ?? runtimeOf(Object.keys(files)),
      files,
      ...(given.entry ? { entry: given.entry } : {}),
    }
  }
  const folder = info.isFile() ? dirname(path) : path
  const names = info.isFile() ? [basename(path)] : await filesBelow(folder)
  const runtime = given.runtime ?? runtimeOf(names)
  if (runtime === 'node24') return bundle(folder, names, given.entry ?? (info.isFile() ? basename(path) : undefined))
  const read = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const))
  return { runtime, files: Object.fromEntries(read), ...(given.entry ? { entry: given.entry } : {}) }
}

/** The name that a function gets where nobody says: that of the file or of the folder. */
export function nameOf(path: string): string {
  const full = resolve(path)
  const name = basename(full, extname(full)).replace(/[^a-zA-Z0-9_-]/g, '-')
  return /^(index|main|handler)$/.test(name) ? basename(dirname(full)) : name
}

function runtimeOf(names: readonly string[]): DeployOptions['runtime'] {
  if (names.includes('bootstrap')) return 'custom'
  if (names.some((name) => script.test(name))) return 'node24'
  if (names.some((name) => name.endsWith('.py'))) return 'python3'
  throw new WarrenError('invalid_request', text.unknownRuntime, { hint: text.unknownRuntimeHint })
}

async function bundle(folder: string, names: readonly string[], wanted: string | undefined): Promise<Source> {
  const main = names.includes('package.json')
    ? JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')).main
    : undefined
  const scripts = names.filter((name) => script.test(name))
  const usual = [main, ...nodeEntries].find((name) => typeof name === 'string' && names.includes(posix.normalize(name)))
  const entry = wanted ?? usual ?? (scripts.length === 1 ? scripts[0] : undefined)
  if (entry === undefined) throw new WarrenError('invalid_request', text.noEntry, { hint: text.noEntryHint })
  const result = await build({
    ...{ absWorkingDir: resolve(folder), entryPoints: [entry], bundle: true, write: false, charset: 'utf8' },
    ...{ platform: 'node', target: 'node24', format: 'cjs', logLevel: 'silent', legalComments: 'none' },
  }).catch(
    (error: { errors?: { text: string; location: { file: string; line: number; column: number } | null }[] }) => {
      const [first] = error.errors ?? []
      if (!first) throw error
      const { location } = first
      const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : ''
      throw new WarrenError('invalid_request', `${place}${first.text}`, { details: { reason: 'syntax_error' } })
    },
  )
  // What is no code may be read by it.
  const assets = names.filter((name) => !script.test(name) && !/^(package(-lock)?|tsconfig)\.json$/.test(name))
  const read = await Promise.all(assets.map(async (name) => [name, await readFile(join(folder, name))] as const))
  return {
    runtime: 'node24',
    files: { ...Object.fromEntries(read), 'index.js': result.outputFiles[0]!.contents },
    entry: 'index.js',
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = []
  const visit = async (current: string) => {
    for (const entry of await readdir(current, { withFileTypes: true })) {
      if (leftOut.test(entry.name)) continue
      const path = join(current, entry.name)
      if (entry.isDirectory()) await visit(path)
      else if (entry.isFile()) found.push(relative(folder, path))
    }
  }
  await visit(folder)
  return found.sort()
}
