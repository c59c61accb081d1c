import type { Node } from 'web-tree-sitter'
import { loadGrammar, parse } from './grammar.ts'
import { ParsedText } from './parsed-text.ts'
import { isWordAt } from './words-in.ts'

/** How a name is used at a place. */
export type Use = 'call' | 'import' | 'type' | 'write' | 'read' | 'unparsed'

export interface Occurrence {
  /** Of its first byte. */
  place: number
  use: Use
}

export interface LocateRequest {
  language: string
  bytes: Buffer
  name: string
  /** What is parsed by itself; all of it when there are none. */
  pieces: readonly { start: number; end: number }[]
  most: number
}

const mostParsedBytes = 1024 * 1024
const textual =
  /comment|string(?!_)|string_(literal|fragment|content)|^(text|char_literal|character)|heredoc|regex|jsx_text/
const imports = /import|use_declaration|include|export_specifier|export_clause/

/** Where a name stands in the code of a file, comments and strings left out. */
export async function locate({ language, bytes, name, pieces, most }: LocateRequest): Promise<Occurrence[]> {
  const places = placesOf(bytes, name)
  if (places.length === 0) return []
  const grammar = await loadGrammar(language)
  const found: Occurrence[] = []
  let next = 0
  for (const { start, end } of withoutOuter([{ start: 0, end: bytes.length }, ...pieces])) {
    const own: number[] = []
    while (next < places.length && places[next]! < end) own.push(places[next++]!)
    if (own.length === 0) continue
    if (found.length >= most) break
    const text = new ParsedText(bytes, { start, end, gaps: [] })
    const isFit = text.text.length <= mostParsedBytes && !text.isTooDeep
    const tree = isFit ? await parse(grammar, text.text) : undefined
    for (const place of own) {
      const use = tree ? useAt(tree.rootNode, place - start) : 'unparsed'
      if (use) found.push({ place, use })
    }
    tree?.delete()
  }
  return found.slice(0, most)
}

function placesOf(bytes: Buffer, name: string): number[] {
  const wanted = Buffer.from(name)
  const places: number[] = []
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1))
    if (isWordAt(bytes, at, at + wanted.length)) places.push(at)
  return places
}

/** Stretches that follow each other: one that holds others is what lies before, between and behind them. */
function withoutOuter(pieces: readonly { start: number; end: number }[]) {
  const borders = [...new Set(pieces.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b)
  return borders.slice(1).map((end, at) => ({ start: borders[at]!, end }))
}

/** Undefined where it is no name. */
function useAt(root: Node, index: number): Use | undefined {
  const node = root.descendantForIndex(index)
  if (!node || textual.test(node.type)) return undefined
  const parent = node.parent
  if (!parent || textual.test(parent.type)) return parent ? undefined : 'read'
  for (let above: Node | null = parent, up = 0; above && up < 4; above = above.parent, up++)
    if (imports.test(above.type)) return 'import'
  if (/^type_|type_identifier|_type$/.test(node.type)) return 'type'
  const member = /member|attribute|field|selector|scoped|qualified/.test(parent.type) ? parent : undefined
  const whole = member ?? node
  const holder = whole.parent
  if (!holder) return 'read'
  if (/call|invocation|new_expression|object_creation|macro_invocation|decorator/.test(holder.type)) {
    const called = holder.childForFieldName('function') ?? holder.childForFieldName('name') ?? holder.firstNamedChild
    if (called?.equals(whole) || called?.equals(node)) return 'call'
    if (holder.childForFieldName('constructor')?.equals(whole)) return 'call'
  }
  const left = /assignment|augmented/.test(holder.type) ? holder.childForFieldName('left') : null
  return left?.equals(whole) ? 'write' : 'read'
}
