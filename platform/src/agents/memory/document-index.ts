import { setImmediate as nextTurn } from 'node:timers/promises'
import { cutIntoPassages, type DocumentKind, type Passage } from '../../kernel/experience/cut-into-passages.ts'
import { lexicalEmbedding } from '../../kernel/experience/embed-text.ts'
import { TextIndex } from '../../kernel/experience/text-index.ts'
import type { Found } from '../../kernel/vectors/vector-index.ts'

/** A document as it is indexed. */
export interface IndexedDocument {
  id: string
  name: string
  kind: DocumentKind
  text: string
  at: Date
}

/** A part of a document that was found, and where it stands. */
export interface FoundPassage extends Passage {
  documentId: string
  name: string
  at: Date
}

/** Indexed without letting others do something: each takes a tenth of a millisecond. */
const indexedAtOnce = 16

interface Known {
  name: string
  at: Date
  chars: number
  passages: Passage[]
}

/** The passages of the documents of an agent, found by what they say. A cache in memory. */
export class DocumentIndex {
  readonly #texts = new TextIndex(lexicalEmbedding)
  readonly #documents = new Map<string, Known>()

  /** Of all of its documents. */
  get chars(): number {
    let sum = 0
    for (const { chars } of this.#documents.values()) sum += chars
    return sum
  }

  get ids(): Iterable<string> {
    return this.#documents.keys()
  }

  has(id: string): boolean {
    return this.#documents.has(id)
  }

  /** What stands for each passage of a document where vectors are made of them. */
  textsOf(id: string): string[] {
    const known = this.#documents.get(id)
    return known ? known.passages.map((passage) => indexedText(known.name, passage)) : []
  }

  /** Lets others work meanwhile. Not to be called with an id that it has. */
  async add({ id, name, kind, text, at }: IndexedDocument): Promise<void> {
    const passages: Passage[] = []
    this.#documents.set(id, { name, at, chars: text.length, passages })
    for (const passage of cutIntoPassages(text, kind)) {
      this.#texts.add(keyOf(id, passages.length), indexedText(name, passage))
      passages.push(passage)
      if (passages.length % indexedAtOnce === 0) await nextTurn()
    }
  }

  async remove(id: string): Promise<void> {
    const count = this.#documents.get(id)?.passages.length ?? 0
    for (let place = 0; place < count; place++) {
      this.#texts.remove(keyOf(id, place))
      if (place % indexedAtOnce === 0) await nextTurn()
    }
    this.#documents.delete(id)
  }

  /** Best first, each text once. `meant`: keys of passages that vectors of a model have found. */
  search(question: string, most: number, meant: readonly Found[] = []): FoundPassage[] {
    const seen = new Set<string>()
    const found: FoundPassage[] = []
    for (const { id: key } of this.#texts.search(question, 2 * most, { meant })) {
      const { documentId, place } = placeOf(key)
      const known = this.#documents.get(documentId)
      const passage = known?.passages[place]
      if (!known || !passage || seen.has(passage.text)) continue
      seen.add(passage.text)
      found.push({ ...passage, documentId, name: known.name, at: known.at })
    }
    return found.slice(0, most)
  }
}

export function keyOf(documentId: string, place: number): string {
  return `${documentId} ${place}`
}

function placeOf(key: string): { documentId: string; place: number } {
  const [documentId = '', place] = key.split(' ')
  return { documentId, place: Number(place) }
}

/** A passage is also found by the name of its document and the headings above it. */
function indexedText(name: string, { headings, text }: Passage): string {
  return [name, ...headings, text].join('\n')
}
