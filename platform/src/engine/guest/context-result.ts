import { parsedJson } from '../../lib/parsed-json.ts'

/** Something that code in a context has shown, in all the forms it has. All of it comes from the sandbox. */
export interface ContextResult {
  /** Whether it is what the last expression was worth; else it was shown on the way. */
  main: boolean
  text?: string
  html?: string
  markdown?: string
  svg?: string
  /** Base64, as the next two. */
  png?: string
  jpeg?: string
  pdf?: string
  latex?: string
  javascript?: string
  json?: unknown
  /** The columns of a table. */
  data?: Record<string, unknown>
  /** What a figure shows, as numbers. */
  chart?: Record<string, unknown>
  /** Forms of other types, by their MIME type. */
  extra: Record<string, unknown>
}

/** The JSON of what a result has as values, as the interpreter wrote it: a reader of JavaScript takes 1.0 for 1. */
export type WrittenValues = Partial<Record<'json' | 'data' | 'chart', string>>

/** Longest result that is taken, bytes of JSON. The interpreters inside keep theirs below. */
export const maxResultBytes = 9 * 1024 * 1024

const texts = {
  'text/plain': 'text',
  'text/html': 'html',
  'text/markdown': 'markdown',
  'image/svg+xml': 'svg',
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'application/pdf': 'pdf',
  'text/latex': 'latex',
  'application/javascript': 'javascript',
} as const

const json = 'application/json'

const objects = {
  'application/vnd.warren.data+json': 'data',
  'application/vnd.warren.chart+json': 'chart',
} as const

/** Undefined for what is no result: it comes from a program that has meddled with its interpreter. */
export function readResult(bytes: Buffer): { result: ContextResult; written: WrittenValues } | undefined {
  const told = parsedJson(bytes.toString('utf8'))
  if (!isObject(told) || !isObject(told.data)) return undefined
  const result: ContextResult = { main: told.main === true, extra: {} }
  const written: WrittenValues = {}
  readForms(result, told.data)
  for (const [mime, text] of Object.entries(isObject(told.written) ? told.written : {})) {
    const name = mime === json ? 'json' : Object.hasOwn(objects, mime) && objects[mime as keyof typeof objects]
    if (!name || typeof text !== 'string') continue
    readForms(result, { [mime]: parsedJson(text) })
    if (result[name] !== undefined) written[name] = text
  }
  return { result, written }
}

function readForms(result: ContextResult, forms: Record<string, unknown>): void {
  for (const [mime, value] of Object.entries(forms)) {
    if (Object.hasOwn(texts, mime)) {
      if (typeof value === 'string') result[texts[mime as keyof typeof texts]] = value
    } else if (Object.hasOwn(objects, mime)) {
      if (isObject(value)) result[objects[mime as keyof typeof objects]] = value
    } else if (mime === json) result.json = value
    // A name such as __proto__ would mean something to whoever copies it.
    else if (/^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(mime)) result.extra[mime] = value
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
