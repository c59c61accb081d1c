import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Where the service and its programs are inside. Who deletes it there loses his contexts, and the next one has new ones. */
export const contextsFolder = '/tmp/.warren-contexts'

/** What runs the code of a language inside, beside the language itself. */
export interface ContextProgram {
  /** The file that is started. The folder is named after what is in it, so that another release has another. */
  path: string
  files: Map<string, Buffer>
}

const ours = (name: string) => readFile(new URL(`./contexts/${name}`, import.meta.url))
const theirs = (url: string | URL) => readFile(fileURLToPath(url))

const javascript = async () => ({
  'main.mjs': await ours('javascript.mjs'),
  'cell.mjs': await ours('cell.mjs'),
  'acorn.mjs': await theirs(import.meta.resolve('acorn')),
  // Four megabytes of it are a compiler that only TypeScript needs.
  'amaro.js.gz': await promisify(gzip)(await theirs(new URL('internal.js', import.meta.resolve('amaro')))),
})

const sources: Record<string, { start: string; read: () => Promise<Record<string, Buffer>> }> = {
  javascript: { start: 'main.mjs', read: javascript },
  typescript: { start: 'main.mjs', read: javascript },
  bash: { start: 'main.sh', read: async () => ({ 'main.sh': await ours('bash.sh') }) },
  r: { start: 'main.r', read: async () => ({ 'main.r': await ours('r.r') }) },
  java: { start: 'Main.java', read: async () => ({ 'Main.java': await ours('java.java') }) },
}

const known = new Map<string, Promise<ContextProgram>>()

/** The program of a language; undefined for Python, whose contexts are forks of the service. */
export function contextProgram(language: string): Promise<ContextProgram> | undefined {
  const source = Object.hasOwn(sources, language) ? sources[language] : undefined
  if (!source) return undefined
  const found = known.get(language) ?? read(source)
  known.set(language, found)
  return found
}

async function read({ start, read }: (typeof sources)[string]): Promise<ContextProgram> {
  const files = Object.entries(await read())
  const hash = createHash('sha256')
  for (const [name, content] of files) hash.update(`${name} ${content.length} `).update(content)
  const folder = `${contextsFolder}/${hash.digest('hex').slice(0, 16)}`
  return {
    path: `${folder}/${start}`,
    files: new Map(files.map(([name, content]) => [`${folder}/${name}`, content])),
  }
}

const modules = ['wire', 'charts', 'display', 'shell', 'python', 'interpreters', 'context', 'service']
let service: Promise<string> | undefined

/** The service's own modules, in the order in which they need each other: a JSON list of names and sources. */
export function serviceSource(): Promise<string> {
  service ??= Promise.all(modules.map(async (name) => [`warren_${name}`, (await ours(`${name}.py`)).toString()])).then(
    (sources) => JSON.stringify(sources),
  )
  return service
}
