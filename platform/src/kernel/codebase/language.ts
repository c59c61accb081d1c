import { cpp, go, java, javascript, python, rust, typescript } from './queries.ts'

/** A language that files are understood in. */
export interface Language {
  name: string
  /** Of the grammar, in the package that has them compiled. */
  grammar: string
  query: string
  extensions: string[]
  /** Cut into pieces before it is parsed, so that most of it need not be. */
  inPieces?: boolean
}

const all: Language[] = [
  { name: 'typescript', grammar: 'typescript', query: typescript, extensions: ['ts', 'mts', 'cts'], inPieces: true },
  { name: 'tsx', grammar: 'tsx', query: typescript, extensions: ['tsx'] },
  { name: 'javascript', grammar: 'javascript', query: javascript, extensions: ['js', 'mjs', 'cjs'], inPieces: true },
  { name: 'jsx', grammar: 'javascript', query: javascript, extensions: ['jsx'] },
  { name: 'python', grammar: 'python', query: python, extensions: ['py', 'pyi'] },
  { name: 'go', grammar: 'go', query: go, extensions: ['go'] },
  { name: 'rust', grammar: 'rust', query: rust, extensions: ['rs'] },
  { name: 'java', grammar: 'java', query: java, extensions: ['java'] },
  // The grammar of C++ reads C too.
  {
    name: 'c++',
    grammar: 'cpp',
    query: cpp,
    extensions: ['c', 'h', 'cc', 'cpp', 'cxx', 'c++', 'hh', 'hpp', 'hxx', 'h++', 'inl'],
  },
]

const byExtension = new Map(all.flatMap((language) => language.extensions.map((extension) => [extension, language])))
const byName = new Map(all.map((language) => [language.name, language]))

/** By the end of its name; undefined where no grammar is for it. */
export function languageOf(path: string): Language | undefined {
  const dot = path.lastIndexOf('.')
  return dot > path.lastIndexOf('/') ? byExtension.get(path.slice(dot + 1).toLowerCase()) : undefined
}

export function languageNamed(name: string): Language | undefined {
  return byName.get(name)
}
