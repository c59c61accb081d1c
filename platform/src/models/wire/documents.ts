import { isObject, type JsonObject } from './json.ts'

/** One JSON document of an answer: the whole of it, or one event of a stream. */
export type Document =
  | { type: 'json'; value: JsonObject; event?: string }
  /** The stream's own end mark, or the end of a body that was one whole document. */
  | { type: 'end' }
  /** What is neither JSON nor a stream of it. `cut`: it may have been, before the end cut it off. */
  | { type: 'unreadable'; text: string; cut: boolean }

/**
 * Takes the bytes of an answer, cut anywhere, and answers with the documents completed by them. Whether it is one JSON
 * document, lines of JSON or server-sent events is seen from the bytes, because content types lie.
 */
export class DocumentReader {
  // Streaming mode holds back the bytes of a character that a chunk boundary has cut, and drops the byte order mark.
  readonly #decoder = new TextDecoder()
  #kind: 'unknown' | 'json' | 'events' | 'text' = 'unknown'
  #text = ''
  #event = ''
  #data: string[] = []
  #afterCarriageReturn = false

  push(bytes: Uint8Array): Document[] {
    return this.#take(this.#decoder.decode(bytes, { stream: true }))
  }

  /** What the end of the body completes: many streams lack their last blank line. */
  end(): Document[] {
    const documents = this.#take(this.#decoder.decode())
    if (this.#kind === 'events') return [...documents, ...this.#endOfEvents()]
    const text = this.#text
    const whole = this.#kind === 'json' ? parse(text) : undefined
    if (whole) {
      const values = Array.isArray(whole.json) ? whole.json : [whole.json]
      return [...values.map((value) => documentOf(value, text)), { type: 'end' }]
    }
    // A JSON document on each line, or one that was cut.
    this.#kind = 'events'
    this.#text = ''
    const lines = text.trimStart().startsWith('{') && /\n\s*\S/.test(text) ? this.#takeLines(text) : []
    const all = [...lines, ...this.#endOfEvents()]
    const readable = all.length > 0 && all.every(({ type }) => type !== 'unreadable')
    return readable ? all : [{ type: 'unreadable', text, cut: /^\s*[[{]/.test(text) && !/[\]}]\s*$/.test(text) }]
  }

  /** How many characters wait for the rest of their document. */
  get waiting(): number {
    return this.#text.length + this.#data.reduce((sum, line) => sum + line.length, 0)
  }

  #take(text: string): Document[] {
    if (this.#kind === 'unknown') {
      const first = /\S/.exec(this.#text + text)?.[0]
      if (first) this.#kind = first === '{' || first === '[' ? 'json' : first === '<' ? 'text' : 'events'
    }
    if (this.#kind !== 'events') {
      this.#text += text
      return []
    }
    // A line that comes in many pieces is looked through once, when its end is there.
    if (!/[\r\n]/.test(text)) {
      this.#text += text
      if (text !== '') this.#afterCarriageReturn = false
      return []
    }
    const all = this.#text + text
    this.#text = ''
    return this.#takeLines(all)
  }

  /** Keeps the last line, which may not be complete. */
  #takeLines(input: string): Document[] {
    if (input === '') return []
    const documents: Document[] = []
    let start = this.#afterCarriageReturn && input.startsWith('\n') ? 1 : 0
    for (const { index, 0: end } of input.matchAll(/\r\n|\n|\r/g)) {
      if (index < start) continue
      documents.push(...this.#takeLine(input.slice(start, index)))
      start = index + end.length
    }
    this.#text = input.slice(start)
    this.#afterCarriageReturn = input.endsWith('\r')
    return documents
  }

  #takeLine(line: string): Document[] {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') {
      // Some leave out the blank line between two events.
      const before = this.#data.length > 0 ? this.#dispatch() : []
      this.#event = value.trim()
      return before
    }
    if (name === 'data') this.#data.push(value)
    // An error that a server wrote into a stream as it is.
    else if (/^\s*\{/.test(line)) this.#data.push(line)
    return []
  }

  #endOfEvents(): Document[] {
    const last = this.#text
    this.#text = ''
    return [...(last ? this.#takeLine(last) : []), ...this.#dispatch(true)]
  }

  #dispatch(cut = false): Document[] {
    const [event, data] = [this.#event, this.#data]
    this.#event = ''
    this.#data = []
    if (data.length === 0) return []
    const whole = documentsOfData(data.join('\n'), event)
    if (whole) return whole
    // Without the blank line between two events, or with one document over several lines.
    const each = data.map((line) => documentsOfData(line, event))
    if (each.every((found) => found !== undefined)) return each.flat()
    return documentsOfData(data.join(''), event) ?? [{ type: 'unreadable', text: data.join('\n'), cut }]
  }
}

/** Undefined where it looks like JSON and is none. What does not look like JSON is a sign of life, and nothing. */
function documentsOfData(data: string, event: string): Document[] | undefined {
  const trimmed = data.trim()
  if (trimmed === '[DONE]') return [{ type: 'end' }]
  const found = parse(trimmed)
  if (found) return isObject(found.json) ? [{ type: 'json', value: found.json, ...(event && { event }) }] : []
  return /^[[{]/.test(trimmed) ? undefined : []
}

function documentOf(value: unknown, text: string): Document {
  return isObject(value) ? { type: 'json', value } : { type: 'unreadable', text, cut: false }
}

function parse(text: string): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) }
  } catch {
    return undefined
  }
}
