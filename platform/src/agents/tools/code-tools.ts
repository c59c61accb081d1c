import { symbolKinds } from '../../kernel/codebase/analysis.ts'
import type { CodeSymbol } from '../../kernel/codebase/code-file.ts'
import type { CodeIndex } from '../../kernel/codebase/code-index.ts'
import { findReferences } from '../../kernel/codebase/find-references.ts'
import { findSymbols } from '../../kernel/codebase/find-symbols.ts'
import { LineTable } from '../../kernel/codebase/line-table.ts'
import { outlineOf, signatureOf } from '../../kernel/codebase/outline.ts'
import { searchCode } from '../../kernel/codebase/search-code.ts'
import { selectContext } from '../../kernel/codebase/select-context.ts'
import type { CodeReader } from '../code/code-reader.ts'
import type { SandboxCode } from '../code/sandbox-code.ts'
import { tokensOfText } from '../memory/count-tokens.ts'
import { object } from './sandbox-tools.ts'
import { type Tool, ToolError } from './tool.ts'

export interface InCode {
  reader: CodeReader
  code: SandboxCode
  /** Rejects where code in a folder must not be read. */
  checkFolder: (folder: string) => Promise<void>
}

const folder = {
  type: 'string',
  minLength: 1,
  maxLength: 4096,
  description: "Folder of the code. Default: the user's home.",
}
const below = {
  type: 'string',
  minLength: 1,
  maxLength: 4096,
  description: 'Only this file, or what is below this folder.',
}
const name = { type: 'string', minLength: 1, maxLength: 256 }
const most = { type: 'integer', minimum: 1, maximum: 200, description: 'At most so many; default 30.' }
const timeoutMs = 300_000

/** Tools that know the code in the sandbox by its syntax: TypeScript, JavaScript, Python, Go, Rust, Java, C and C++. */
export function codeTools({ reader, code, checkFolder }: InCode): Tool[] {
  const { threads } = reader
  const indexOf = async (path = '.', signal: AbortSignal) => {
    await checkFolder(path)
    return await code.indexOf(path, signal)
  }
  return [
    {
      name: 'find_symbol',
      description:
        'Finds where a function, class, type or other name is defined, by its name or a part of it, `Outer.inner` too. Cheaper and more exact than searching text.',
      inputSchema: object({ name, kind: { enum: [...symbolKinds] }, path: below, folder, most }, ['name']),
      effect: 'read',
      timeoutMs,
      handler: async (
        { signal },
        args: { name: string; kind?: string; path?: string; folder?: string; most?: number },
      ) => {
        const index = await indexOf(args.folder, signal)
        const path = args.path && placeOf(index, args.path)
        const found = findSymbols(index, { query: args.name, kind: args.kind, path, most: args.most ?? 30 })
        const lines = await Promise.all(found.map((symbol) => shown(index, symbol, signal)))
        void index.prefetch([...new Set(found.slice(0, 3).map((symbol) => symbol.path))]).catch(() => {})
        return lines.join('\n') || `Nothing is named like ${args.name}.${coverage(index)}`
      },
    },
    {
      name: 'references',
      description:
        'Finds where a name is used in code, comments and strings left out: calls, imports, types, writes, reads. By the name alone; what is near its definition comes first.',
      inputSchema: object({ name, path: below, folder, most }, ['name']),
      effect: 'read',
      timeoutMs,
      handler: async ({ signal }, args: { name: string; path?: string; folder?: string; most?: number }) => {
        const index = await indexOf(args.folder, signal)
        const locate = threads.locate.bind(threads)
        const path = args.path && placeOf(index, args.path)
        const { references, unread } = await findReferences(
          { index, locate },
          { name: args.name, path, most: args.most ?? 30 },
          signal,
        )
        const lines = references.map(
          (each) =>
            `${each.path}:${each.line}  ${each.use}${each.within ? ` in ${each.within}` : ''}${each.near ? '' : ' (perhaps another of the same name)'}  ${each.text}`,
        )
        if (unread > 0) lines.push(`… ${unread} more files hold the name; ask for more, or for a path`)
        return lines.join('\n') || `Nothing uses the name ${args.name}.${coverage(index)}`
      },
    },
    {
      name: 'outline',
      description:
        'Tells what a file defines, with line numbers, or what files a folder has and the main names in each.',
      inputSchema: object({ path: { ...below, description: 'A file or a folder.' }, folder }, ['path']),
      effect: 'read',
      timeoutMs,
      handler: async ({ signal }, args: { path: string; folder?: string }) => {
        const index = await indexOf(args.folder, signal)
        const path = placeOf(index, args.path)
        const file = index.files.get(path)
        if (!file) return ofFolder(index, path)
        void index.prefetch([path]).catch(() => {})
        const lines = outlineOf(file, await index.contentOf(path, signal), { most: 400 })
        if (lines.length > 0)
          return `${file.incomplete ? 'Parts of it were too much to be read.\n' : ''}${lines.join('\n')}`
        return file.passedOver ? `${path} was not read: ${file.passedOver}.` : `${path} defines nothing.`
      },
    },
    {
      name: 'dependents',
      description: 'Tells which files import a file, and which it imports; with depth also those that import these.',
      inputSchema: object({ path: below, depth: { type: 'integer', minimum: 1, maximum: 10 }, folder }, ['path']),
      effect: 'read',
      timeoutMs,
      handler: async ({ signal }, args: { path: string; depth?: number; folder?: string }) => {
        const index = await indexOf(args.folder, signal)
        const path = placeOf(index, args.path)
        if (!index.files.has(path)) throw new ToolError('not_found', `there is no file ${path}`, { happened: false })
        const listed = (steps: Map<string, number>) =>
          [...steps].slice(0, 200).map(([each, step]) => `  ${step > 1 ? `${step} steps: ` : ''}${each}`)
        const by = listed(index.graph.dependentsOf(path, args.depth ?? 1))
        const its = listed(index.graph.dependenciesOf(path, args.depth ?? 1))
        return [`Imported by ${by.length}:`, ...by, `Imports ${its.length} of this code:`, ...its].join('\n')
      },
    },
    {
      name: 'search_code',
      description: 'Finds lines that hold a text, or match a regular expression of JavaScript.',
      inputSchema: object(
        {
          pattern: { type: 'string', minLength: 1, maxLength: 1000 },
          regex: { type: 'boolean' },
          ignoreCase: { type: 'boolean' },
          path: below,
          folder,
          most,
        },
        ['pattern'],
      ),
      effect: 'read',
      timeoutMs,
      handler: async (
        { signal },
        args: {
          pattern: string
          regex?: boolean
          ignoreCase?: boolean
          path?: string
          folder?: string
          most?: number
        },
      ) => {
        if (args.regex) checkExpression(args.pattern)
        const index = await indexOf(args.folder, signal)
        const path = args.path && placeOf(index, args.path)
        const found = await searchCode({ index, threads }, { ...args, path, most: args.most ?? 30 }, signal)
        return found.map((each) => `${each.path}:${each.line}  ${each.text}`).join('\n') || 'No line is found.'
      },
    },
    {
      name: 'code_context',
      description:
        'Picks the pieces of code that say most about a question or a task, within a number of tokens. A good first call in code that is not known.',
      inputSchema: object(
        {
          question: { type: 'string', minLength: 1, maxLength: 10_000 },
          tokens: { type: 'integer', minimum: 100, maximum: 50_000, description: 'Default 3000.' },
          near: { type: 'array', items: below, maxItems: 20, description: 'Files that are worked on.' },
          folder,
        },
        ['question'],
      ),
      effect: 'read',
      timeoutMs,
      handler: async ({ signal }, args: { question: string; tokens?: number; near?: string[]; folder?: string }) => {
        const index = await indexOf(args.folder, signal)
        const near = args.near?.map((path) => placeOf(index, path))
        const pieces = await selectContext(
          { index, countTokens: tokensOfText },
          { question: args.question, budget: args.tokens ?? 3000, near },
          signal,
        )
        const texts = pieces.map((each) => `${each.path}:${each.line}-${each.endLine}  (${each.reason})\n${each.text}`)
        return texts.join('\n\n') || `Nothing in the code is named like the question.${coverage(index)}`
      },
    },
  ]
}

async function shown(index: CodeIndex, symbol: CodeSymbol, signal: AbortSignal): Promise<string> {
  const bytes = await index.contentOf(symbol.path, signal)
  const within = symbol.within ? ` in ${symbol.within}` : ''
  const text = bytes ? signatureOf(symbol, bytes, new LineTable(bytes)) : symbol.name
  return `${symbol.path}:${symbol.line}-${symbol.endLine}  ${symbol.kind}${within}  ${text}`
}

/** A path as it is known: whole, or its end where that is enough to tell. */
function placeOf(index: CodeIndex, path: string): string {
  const plain = path.replace(/^\.\//, '').replace(/(?<=.)\/+$/, '')
  if (index.files.has(plain) || plain.startsWith('/')) return plain
  const found = new Set<string>()
  for (const each of index.files.keys()) {
    if (each.endsWith(`/${plain}`)) found.add(each)
    const at = each.indexOf(`/${plain}/`)
    if (at >= 0) found.add(each.slice(0, at + plain.length + 1))
  }
  const [shortest] = [...found].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  return shortest ?? plain
}

function ofFolder(index: CodeIndex, path: string): string {
  const prefix = path === '/' ? '/' : `${path}/`
  const all =
    path === '.' ? [...index.files.values()] : [...index.files.values()].filter((file) => file.path.startsWith(prefix))
  if (all.length === 0) throw new ToolError('not_found', `there is no file and no folder ${path}`, { happened: false })
  const files = all.filter(({ analysis }) => analysis).sort((a, b) => (a.path < b.path ? -1 : 1))
  const lines = files.slice(0, 200).map((file) => {
    const outer = file.symbols().filter(({ within, kind }) => !within && kind !== 'variable' && kind !== 'declaration')
    const names = [...new Set(outer.map((symbol) => symbol.name))]
    return `${file.path}  ${file.analysis!.lines} lines  ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`
  })
  if (files.length > 200) lines.push(`… and ${files.length - 200} more files; ask for a folder below`)
  return [...lines, `${all.length - files.length} other files`].join('\n')
}

function coverage(index: CodeIndex): string {
  const files = [...index.files.values()]
  const read = files.filter(({ analysis }) => analysis).length
  return ` ${read} of ${files.length} files were read as code.`
}

function checkExpression(pattern: string): void {
  try {
    new RegExp(pattern)
  } catch (error) {
    throw new ToolError('invalid_request', (error as Error).message, { happened: false, cause: error })
  }
}
