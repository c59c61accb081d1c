/** Which bytes words are made of: letters, digits, `_`, `$`, and whatever is not ASCII. */
const isWordByte = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++)
  isWordByte[byte] =
    byte >= 0x80 || byte === 0x24 || byte === 0x5f || /[0-9A-Za-z]/.test(String.fromCharCode(byte)) ? 1 : 0

const offset = 0x811c9dc5
const prime = 0x01000193

/**
 * The words of a text, each as a number, sorted. A text that lacks the number of a word lacks the word; one that has it most
 * likely has it. Of words inside of words nothing is known.
 */
export function wordsIn(bytes: Uint8Array, from = 0, to: number = bytes.length): Uint32Array {
  let table = new Uint32Array(1024)
  let size = 0
  for (let at = from; at < to; at++) {
    if (isWordByte[bytes[at]!] === 0) continue
    let word = offset
    let byte = bytes[at]!
    do {
      word = Math.imul(word ^ byte, prime)
      byte = bytes[++at]!
    } while (at < to && isWordByte[byte] === 1)
    // Zero marks a free place.
    word = word >>> 0 || 1
    let place = (word ^ (word >>> 15)) & (table.length - 1)
    while (table[place] !== 0 && table[place] !== word) place = (place + 1) & (table.length - 1)
    if (table[place] === word) continue
    table[place] = word
    if (++size * 2 > table.length) table = grown(table)
  }
  return table.filter((word) => word !== 0).sort()
}

/** The number of one word. */
export function wordNumber(word: string): number {
  let number = offset
  for (const byte of Buffer.from(word)) number = Math.imul(number ^ byte, prime)
  return number >>> 0 || 1
}

/** Whether a sorted list has a number. */
export function hasWord(words: Uint32Array, number: number): boolean {
  let [low, high] = [0, words.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (words[middle]! < number) low = middle + 1
    else high = middle
  }
  return words[low] === number
}

/** Whether a word ends before, or begins at, a place; so that `get` is not found in `getter`. */
export function isWordAt(bytes: Uint8Array, start: number, end: number): boolean {
  return isWordByte[bytes[start - 1] ?? 0] === 0 && isWordByte[bytes[end] ?? 0] === 0
}

function grown(table: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(table.length * 4)
  for (const word of table) {
    if (word === 0) continue
    let place = (word ^ (word >>> 15)) & (larger.length - 1)
    while (larger[place] !== 0) place = (place + 1) & (larger.length - 1)
    larger[place] = word
  }
  return larger
}
