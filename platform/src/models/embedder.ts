import { WarrenError } from '../errors.ts'
import { redact } from './wire/redact.ts'
import { readable } from './wire/vendor-failure.ts'

/** What makes vectors of texts elsewhere: near ones for texts that mean alike. */
export interface Embedder {
  /** Changes with whatever changes the vectors: those of different spaces are not compared. */
  space: string
  /** One for each text, in their order, all of as many dimensions. Rejects with `unavailable` where there is none. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]>
}

export interface EmbedderSettings {
  model: string
  /** Such as https://api.openai.com/v1: `/embeddings` is below it. */
  baseUrl: string
  keys: readonly string[]
  /** Asked for, and what is answered must have so many. Default: as many as the model makes. */
  dimensions?: number | undefined
  /** Texts in one request. */
  batch?: number
  /** How long one request may take. */
  deadlineMs?: number
}

const defaults = { batch: 64, deadlineMs: 30_000 }
const mostAnswerBytes = 64 * 1024 * 1024
/** Models take some thousand tokens at most, and refuse more. */
const mostChars = 8000
const mostDimensions = 8192

/** Vectors of an API that speaks as OpenAI's embeddings do. Keys are used in turn. */
export function httpEmbedder({ fetch }: { fetch: typeof globalThis.fetch }, settings: EmbedderSettings): Embedder {
  const { model, keys, batch = defaults.batch, deadlineMs = defaults.deadlineMs } = settings
  const url = `${settings.baseUrl.replace(/\/+$/, '')}/embeddings`
  let turn = 0

  const ask = async (input: readonly string[], signal: AbortSignal): Promise<Float32Array[]> => {
    const key = keys[turn++ % keys.length]
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(key && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({
        model,
        input: input.map((text) => text.slice(0, mostChars).toWellFormed() || ' '),
        encoding_format: 'float',
        ...(settings.dimensions && { dimensions: settings.dimensions }),
      }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]),
      // The key goes to nobody else.
      redirect: 'manual',
    })
    const text = await textOf(response)
    if (!response.ok) throw new Error(`${response.status} ${redact(readable(text) ?? '', keys)}`.trim())
    return vectorsOf(text, input.length)
  }

  return {
    space: `${new URL(url).host}/${model}/${settings.dimensions ?? 'its own'}`,
    async embed(texts, signal) {
      const vectors: Float32Array[] = []
      try {
        for (let from = 0; from < texts.length; from += batch)
          vectors.push(...(await ask(texts.slice(from, from + batch), signal)))
        const wanted = settings.dimensions ?? vectors[0]?.length
        const wrong = vectors.find(({ length }) => length !== wanted)
        if (wrong) throw new Error(`a vector has ${wrong.length} numbers, not ${wanted}`)
      } catch (error) {
        signal.throwIfAborted()
        throw new WarrenError('unavailable', `no vectors came from ${url}: ${redact(reasonOf(error), keys)}`, {
          cause: error,
        })
      }
      return vectors
    },
  }
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes > mostAnswerBytes) throw new Error(`the answer is larger than ${mostAnswerBytes / 1024 / 1024} MiB`)
  }
  return Buffer.concat(chunks).toString()
}

/** Throws for what is not one vector with a direction for each of `count` texts. */
function vectorsOf(text: string, count: number): Float32Array[] {
  const data = (JSON.parse(text) as { data?: unknown } | null)?.data
  if (!Array.isArray(data) || data.length !== count)
    throw new Error(`${Array.isArray(data) ? data.length : 'no'} vectors were answered for ${count} texts`)
  const vectors: Float32Array[] = new Array(count)
  for (const [place, one] of data.entries()) {
    const { index = place, embedding } = (one ?? {}) as { index?: unknown; embedding?: unknown }
    if (!Array.isArray(embedding) || embedding.length === 0 || embedding.length > mostDimensions)
      throw new Error('the answer has something else than a vector for each text')
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= count || vectors[index])
      throw new Error('the places of vectors are wrong')
    // Else `null` would be zero, and a text the number that it says.
    if (!embedding.every((value) => typeof value === 'number'))
      throw new Error('a vector has something else than numbers')
    const vector = Float32Array.from(embedding)
    if (!vector.every(Number.isFinite) || vector.every((value) => value === 0))
      throw new Error('a vector has no direction')
    vectors[index] = vector
  }
  return vectors
}

/** fetch says no more than "fetch failed": its cause tells. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
