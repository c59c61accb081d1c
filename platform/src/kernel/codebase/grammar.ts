import { createRequire } from 'node:module'
import { Language as Grammar, Parser, Query } from 'web-tree-sitter'
import { type Language, languageNamed } from './language.ts'

/** A grammar that is loaded, in this thread. */
export interface LoadedGrammar {
  language: Language
  grammar: Grammar
  query: Query
}

/** No piece may take longer; what a grammar cannot make sense of can take it very long. */
const parseMs = 2000

const { resolve } = createRequire(import.meta.url)
const loaded = new Map<string, Promise<LoadedGrammar>>()
const syntaxes = new Map<string, Promise<{ grammar: Grammar }>>()
let parser: Promise<Parser> | undefined

export function loadGrammar(name: string): Promise<LoadedGrammar> {
  let loading = loaded.get(name)
  if (!loading) {
    loading = load(name)
    loaded.set(name, loading)
  }
  return loading
}

/** A grammar alone, by its name in the package that has them compiled. */
export function loadSyntax(name: string): Promise<{ grammar: Grammar }> {
  let loading = syntaxes.get(name)
  if (!loading) {
    loading = loadFile(name).then((grammar) => ({ grammar }))
    syntaxes.set(name, loading)
  }
  return loading
}

/** Undefined when it takes too long. `before` is the tree of what the text was, told of what has changed. */
export async function parse(
  { grammar }: Pick<LoadedGrammar, 'grammar'>,
  text: string,
  before?: ReturnType<Parser['parse']>,
) {
  parser ??= Parser.init().then(() => new Parser())
  const its = await parser
  its.setLanguage(grammar)
  const until = performance.now() + parseMs
  let asked = 0
  // Asked after each hundred of its steps: the clock would cost a twentieth of the parsing.
  const progressCallback = () => ++asked % 64 === 0 && performance.now() > until
  const tree = its.parse(text, before, { progressCallback })
  if (tree) return tree
  its.reset()
  return undefined
}

async function load(name: string): Promise<LoadedGrammar> {
  const language = languageNamed(name)
  if (!language) throw new Error(`there is no grammar for ${name}`)
  const { grammar } = await loadSyntax(language.grammar)
  return { language, grammar, query: new Query(grammar, language.query) }
}

async function loadFile(name: string): Promise<Grammar> {
  parser ??= Parser.init().then(() => new Parser())
  await parser
  return await Grammar.load(resolve(`@vscode/tree-sitter-wasm/wasm/tree-sitter-${name}.wasm`))
}
