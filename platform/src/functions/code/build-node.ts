import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { build, type Loader, type Message, type Plugin } from 'esbuild'
import { WarrenError } from '../../errors.ts'
import type { Code } from './code-store.ts'
import type { SourceFiles } from './source-files.ts'

const entries = ['index', 'main', 'handler', 'src/index', 'src/main'].flatMap((name) =>
  ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.tsx', '.jsx'].map((ending) => `${name}${ending}`),
)
const loaders: Record<string, Loader> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
  '.json': 'json',
  '.txt': 'text',
  '.md': 'text',
  '.html': 'text',
  '.sql': 'text',
}
const endings = ['', '.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx', '.json']
const mostSourceBytes = 12 * 1024 * 1024

/**
 * One CommonJS file of what was uploaded: types stripped, packages put in. Nothing is run here, and nothing is read but the
 * uploaded files. Throws `invalid_request` with file and line for what is not JavaScript or TypeScript.
 */
export async function buildNode(files: SourceFiles, entry: string | undefined): Promise<Code> {
  const start = chooseEntry(files, entry)
  const result = await build({
    entryPoints: [start],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    charset: 'utf8',
    legalComments: 'none',
    // Nothing of this host's: neither its folders nor its configuration.
    absWorkingDir: '/',
    tsconfigRaw: {},
    logLevel: 'silent',
    logLimit: 10,
    plugins: [uploaded(files)],
  }).catch((error: { errors?: Message[] }) => {
    if (!error.errors) throw error
    throw refusal(error.errors)
  })
  const source = Buffer.from(result.outputFiles[0]!.contents)
  if (source.length > mostSourceBytes)
    throw new WarrenError(
      'too_large',
      `the code has ${source.length} bytes with its packages, over ${mostSourceBytes}`,
      {
        details: { limit: mostSourceBytes, value: source.length },
      },
    )
  // What is no code may be read by it.
  const assets = [...files].filter(
    ([path]) =>
      !path.includes('node_modules/') && !(posix.extname(path) in loaders && loaders[posix.extname(path)] !== 'text'),
  )
  return {
    head: {
      sourceBytes: source.length,
      cacheBytes: 0,
      files: assets.map(([path, { length }]) => ({ path, bytes: length })),
      entry: undefined,
    },
    bytes: Buffer.concat([source, ...assets.map(([, content]) => content)]),
  }
}

function chooseEntry(files: SourceFiles, entry: string | undefined): string {
  const named = entry ?? mainOf(files)
  if (named !== undefined) {
    const path = posix.normalize(named)
    if (files.has(path)) return path
    throw new WarrenError(
      'invalid_request',
      `the file "${named}", which is to have the handler, is not among the files`,
    )
  }
  const found = entries.find((path) => files.has(path))
  if (found) return found
  const code = [...files.keys()].filter((path) => /\.[cm]?[jt]sx?$/.test(path) && !path.includes('node_modules/'))
  if (code.length === 1) return code[0]!
  throw new WarrenError('invalid_request', 'none of the files is index.ts, index.js, main.ts or main.js', {
    hint: 'Say with `entry` which file has the handler.',
  })
}

function mainOf(files: SourceFiles): string | undefined {
  const main = packageOf(files, 'package.json')?.main
  return typeof main === 'string' && files.has(posix.normalize(main)) ? main : undefined
}

function packageOf(files: SourceFiles, path: string): Record<string, unknown> | undefined {
  const text = files.get(path)?.toString('utf8')
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    throw new WarrenError('invalid_request', `${path} is not JSON`)
  }
}

/** Lets esbuild see the uploaded files and nothing else. */
function uploaded(files: SourceFiles): Plugin {
  const namespace = 'uploaded'
  const find = (path: string) => {
    const direct = endings.map((ending) => path + ending).find((candidate) => files.has(candidate))
    // TypeScript names what its files will be compiled to.
    const typed = path.replace(/\.([cm]?)js$/, '.$1ts')
    return (
      direct ??
      (files.has(typed)
        ? typed
        : endings.map((ending) => `${path}/index${ending}`).find((candidate) => files.has(candidate)))
    )
  }
  return {
    name: 'uploaded',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        if (isBuiltin(path)) return { path, external: true }
        if (kind === 'entry-point') return { path, namespace }
        if (path.startsWith('.')) {
          const found = find(posix.join(posix.dirname(importer), path))
          return found ? { path: found, namespace } : { errors: [{ text: `there is no file "${path}"` }] }
        }
        const found = findPackage(files, { importer, path, kind, find })
        if (found) return { path: found, namespace }
        // What is only tried may be absent.
        if (kind === 'require-call' || kind === 'require-resolve' || kind === 'dynamic-import')
          return { path, external: true, warnings: [{ text: `the package "${path}" was not uploaded` }] }
        return {
          errors: [
            {
              text: `the package "${path}" was not uploaded: install it beside package.json, then deploy the folder with warren fn deploy`,
            },
          ],
        }
      })
      onLoad({ filter: /.*/, namespace }, ({ path }) => ({
        contents: files.get(path)!,
        loader: loaders[posix.extname(path)] ?? 'binary',
      }))
    },
  }
}

/** As Node looks for it, in the folders node_modules from the importer upwards. */
function findPackage(
  files: SourceFiles,
  {
    importer,
    path,
    kind,
    find,
  }: { importer: string; path: string; kind: string; find: (path: string) => string | undefined },
): string | undefined {
  const [, name, rest] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(path) ?? []
  if (name === undefined) return undefined
  const conditions = new Set([kind.startsWith('require') ? 'require' : 'import', 'node', 'default'])
  for (let folder = posix.dirname(importer); ; folder = posix.dirname(folder)) {
    const root = posix.join(folder, 'node_modules', name)
    const manifest = packageOf(files, `${root}/package.json`)
    if (manifest) {
      const exported =
        manifest.exports === undefined
          ? undefined
          : target(manifest.exports, rest === undefined ? '.' : `./${rest}`, conditions)
      const wanted =
        exported ?? rest ?? (kind.startsWith('require') ? undefined : manifest.module) ?? manifest.main ?? 'index'
      return find(posix.join(root, String(wanted)))
    }
    const file = rest === undefined ? undefined : find(`${root}/${rest}`)
    if (file) return file
    if (folder === '.' || folder === '/') return undefined
  }
}

/** What a package exports under this name. */
function target(exports: unknown, name: string, conditions: ReadonlySet<string>): string | undefined {
  if (typeof exports === 'string') return name === '.' ? exports : undefined
  if (Array.isArray(exports)) return exports.map((one) => target(one, name, conditions)).find(Boolean)
  if (typeof exports !== 'object' || exports === null) return undefined
  const entries = Object.entries(exports)
  if (entries.every(([key]) => !key.startsWith('.'))) {
    for (const [condition, value] of entries) {
      const found = conditions.has(condition) ? target(value, name, conditions) : undefined
      if (found) return found
    }
    return undefined
  }
  for (const [key, value] of entries) {
    if (key === name) return target(value, '.', conditions)
    const [before, after] = key.split('*')
    if (after === undefined || !name.startsWith(before!) || !name.endsWith(after)) continue
    const found = target(value, '.', conditions)
    if (found) return found.replaceAll('*', name.slice(before!.length, name.length - after.length))
  }
  return undefined
}

function refusal(errors: Message[]): WarrenError {
  const lines = errors.slice(0, 5).map(({ text, location }) => {
    const path = location?.file.replace(/^uploaded:/, '')
    return location ? `${path}:${location.line}:${location.column + 1}: ${text}` : text
  })
  return new WarrenError('invalid_request', `the code cannot be built: ${lines.join('; ')}`, {
    details: { reason: 'syntax_error', errors: lines },
  })
}
