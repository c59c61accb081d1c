import { wordsOf } from './words-of.ts'

/** What makes vectors of texts. Vectors of different spaces are not compared with each other. */
export interface Embedding {
  /** Changes with whatever changes the vectors. */
  space: string
  dimensions: number
  embed(text: string): Float32Array
}

const dimensions = 384
/** Of the letters of a word, taken together; the word as a whole counts one. */
const weightOfLetters = 0.8
const [shortest, longest] = [3, 5]

/**
 * Vectors of texts by what they are made of, without a model: words, and three to five letters that stand together, each at a
 * place and with a sign that its hash tells. So words that are written alike are near, and those that mean alike are not.
 */
export const lexicalEmbedding: Embedding = { space: 'lexical-384-1', dimensions, embed: embedText }

/** Of length one. A text without words is like every other one without words. */
function embedText(text: string): Float32Array {
  const vector = new Float32Array(dimensions)
  const words = new Map<string, number>()
  for (const word of wordsOf(text)) words.set(word, (words.get(word) ?? 0) + 1)
  for (const [word, times] of words) {
    const weight = 1 + Math.log(times)
    add(vector, hashOf(word, 0, word.length, 0x811c9dc5), weight)
    if (word.length >= shortest) addLetters(vector, `<${word}>`, weight)
  }
  let squares = 0
  for (const value of vector) squares += value * value
  if (squares === 0) {
    vector[0] = 1
    return vector
  }
  const length = Math.sqrt(squares)
  for (let at = 0; at < dimensions; at++) vector[at]! /= length
  return vector
}

function addLetters(vector: Float32Array, word: string, weight: number): void {
  let count = 0
  for (let length = shortest; length <= longest; length++) count += Math.max(0, word.length - length + 1)
  const each = (weight * weightOfLetters) / Math.sqrt(count)
  for (let start = 0; start + shortest <= word.length; start++) {
    let hash = hashOf(word, start, start + shortest - 1, 0x9747b28c)
    for (let end = start + shortest; end <= Math.min(word.length, start + longest); end++) {
      hash = hashOf(word, end - 1, end, hash)
      add(vector, hash, each)
    }
  }
}

function add(vector: Float32Array, hash: number, weight: number): void {
  const mixed = mix(hash)
  const place = Math.floor(((mixed >>> 1) * dimensions) / 2 ** 31)
  vector[place]! += mixed & 1 ? weight : -weight
}

/** FNV-1a over UTF-16. */
function hashOf(text: string, from: number, to: number, start: number): number {
  let hash = start
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash
}

/** Spreads what FNV leaves together. */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
