import { meaningOf, word } from './script-words.ts'

/** A run of whole statements. What is between the braces of `gaps` says nothing about what the file defines. */
export interface Piece {
  start: number
  end: number
  /** Pairs of a start and an end, in order. */
  gaps: number[]
}

export interface Skimmed {
  pieces: Piece[]
  /** Places between statements that are in no braces, where one may begin or leave off. */
  cuts: number[]
  /** Where it left off: at the end, or at a place of `stopAt`. */
  end: number
}

/** A piece is ended at the next statement once it is so large; a body that is larger becomes pieces of its own. */
const pieceBytes = 16 * 1024
const deepest = 2000
/** Less is not worth leaving out. */
const leastGap = 12

const kind = { round: 0, square: 1, braces: 2, body: 3, substitution: 4, space: 5, call: 6, cases: 7 } as const
const seen = { operator: 0, value: 1, closed: 2, arrow: 3, blockEnd: 4, keyword: 5, blockStart: 6 } as const

const charClass = new Uint8Array(256)
const spaces = 1
const letters = 2
const digits = 3
for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte)
  if (/\s/.test(char) && byte < 0x80) charClass[byte] = spaces
  else if (byte >= 0x80 || /[A-Za-z_$#@]/.test(char)) charClass[byte] = letters
  else if (/[0-9]/.test(char)) charClass[byte] = digits
}

/**
 * Goes through JavaScript or TypeScript and cuts it into pieces, with the bodies marked that define nothing others can name.
 * It knows brackets, strings, comments and regular expressions, no grammar. Undefined where brackets do not match.
 */
export function skimScript(
  bytes: Uint8Array,
  from = 0,
  stopAt: (place: number) => boolean = () => false,
): Skimmed | undefined {
  return new Skim(bytes, from, stopAt).all()
}

/** What a step answers with instead of the place behind what it read. */
const stopped = -1
const unmatched = -2

/** In methods that are compiled one by one: all of it as one function takes a thread longer to compile than to run through ten megabytes. */
class Skim {
  readonly #bytes: Uint8Array
  readonly #from: number
  readonly #stopAt: (place: number) => boolean
  readonly #kinds = new Uint8Array(deepest)
  readonly #starts = new Int32Array(deepest)
  readonly #keeps = new Uint8Array(deepest)
  readonly #firstGaps = new Int32Array(deepest)
  readonly #cuts: (number[] | undefined)[] = []
  readonly #pieces: Piece[] = []
  readonly #gaps: number[] = []
  readonly #rootCuts: number[] = []
  #depth = 0
  #before: number = seen.operator
  #header: number = word.none
  #headerDepth = 0
  #returnsAt = -1
  #ended = -1
  #wasLine = false

  constructor(bytes: Uint8Array, from: number, stopAt: (place: number) => boolean) {
    this.#bytes = bytes
    this.#from = from
    this.#stopAt = stopAt
  }

  all(): Skimmed | undefined {
    const bytes = this.#bytes
    const size = bytes.length
    let at = this.#from
    if (at === 0 && bytes[0] === 0x23 && bytes[1] === 0x21) while (at < size && bytes[at] !== 10) at++
    while (at < size) {
      const byte = bytes[at]!
      const its = charClass[byte]!
      if (its === spaces) {
        if (byte === 10) this.#wasLine = true
        at++
        while (at < size && bytes[at] === 32) at++
        continue
      }
      if (its === letters) at = this.#word(at)
      else if (byte === 47 && (bytes[at + 1] === 47 || bytes[at + 1] === 42)) at = this.#comment(at)
      else at = this.#mark(byte, at)
      if (at < 0) return at === stopped ? this.#finish(this.#ended) : undefined
    }
    return this.#depth === 0 ? this.#finish(size) : undefined
  }

  #comment(at: number): number {
    const size = this.#bytes.length
    const start = at + 2
    if (this.#bytes[at + 1] === 47) {
      const line = this.#bytes.indexOf(10, at)
      const end = line < 0 ? size : line
      if (end - at > leastGap) this.#gaps.push(start, end)
      return end
    }
    const end = endOfComment(this.#bytes, start)
    if (!this.#wasLine) {
      const line = this.#bytes.indexOf(10, start)
      this.#wasLine = line >= 0 && line < end
    }
    if (end - start > leastGap) this.#gaps.push(start, Math.min(end, size))
    return end + 2
  }

  #word(at: number): number {
    const end = endOfWord(this.#bytes, at + 1)
    const meaning = meaningOf(this.#bytes, at, end)
    if (this.#ended >= 0) {
      if (!goesOn(meaning) && (this.#wasLine || this.#before === seen.operator) && this.#statement(this.#ended))
        return stopped
      this.#ended = -1
    }
    this.#wasLine = false
    if (meaning >= word.keeps && meaning < word.condition) {
      this.#keepAround()
      if (meaning >= word.members) {
        this.#header = meaning
        this.#headerDepth = this.#depth
      }
      if (this.#returnsAt === this.#depth) this.#returnsAt = -1
    }
    if (meaning === word.none) this.#before = seen.value
    else if (meaning >= word.block) this.#before = seen.blockStart
    else if (meaning === word.operator || meaning === word.continues) this.#before = seen.operator
    else this.#before = seen.keyword
    return end
  }

  #mark(byte: number, at: number): number {
    if (this.#ended >= 0) {
      if (byte !== 125 && this.#before === seen.operator && byte !== 59 && this.#statement(this.#ended)) return stopped
      this.#ended = -1
    }
    this.#wasLine = false
    if (charClass[byte] === digits) {
      this.#before = seen.value
      return endOfNumber(this.#bytes, at + 1)
    }
    switch (byte) {
      case 34:
      case 39:
        this.#before = seen.value
        return endOfString(this.#bytes, at)
      case 96:
        return this.#template(at + 1)
      case 47: {
        const isExpression = this.#before === seen.operator || this.#before >= seen.arrow
        const end = isExpression ? endOfExpression(this.#bytes, at) : 0
        if (end === 0) break
        this.#before = seen.value
        return end
      }
      case 40:
        return this.#open(this.#before === seen.value ? kind.call : kind.round, at + 1)
      case 91:
        return this.#open(kind.square, at + 1)
      case 123:
        return this.#openBrace(at)
      case 41:
      case 93:
        return this.#close(byte, at)
      case 125:
        return this.#closeBrace(at)
      case 59:
        this.#ended = at + 1
        if (this.#header !== word.none && this.#headerDepth === this.#depth) this.#header = word.none
        if (this.#returnsAt === this.#depth) this.#returnsAt = -1
        break
      case 58:
        if (this.#before === seen.closed) this.#returnsAt = this.#depth
        break
      case 61:
        if (this.#bytes[at + 1] === 62) {
          this.#before = seen.arrow
          if (this.#depth > 0 && this.#kinds[this.#depth - 1] === kind.braces) this.#keepAround()
          if (this.#returnsAt === this.#depth) this.#returnsAt = -1
          return at + 2
        }
        if (this.#header !== word.none && this.#headerDepth === this.#depth) this.#header = word.none
        if (this.#returnsAt === this.#depth) this.#returnsAt = -1
        break
      case 44:
        if (this.#returnsAt === this.#depth) this.#returnsAt = -1
        break
      case 46:
        if (this.#header === word.space) this.#header = word.none
        break
      case 62:
        // Of a type, before the body it is the type of.
        if (this.#returnsAt === this.#depth) {
          this.#before = seen.value
          return at + 1
        }
        break
    }
    this.#before = seen.operator
    return at + 1
  }

  #openBrace(at: number): number {
    let what: number = kind.braces
    if (this.#header !== word.none && this.#headerDepth === this.#depth) {
      what = this.#header === word.space ? kind.space : this.#header === word.cases ? kind.cases : kind.braces
      this.#header = word.none
    } else if (this.#isBody()) {
      what = kind.body
      if (this.#returnsAt === this.#depth) this.#returnsAt = -1
      // Of a method, which has a name.
      if (this.#depth > 0 && this.#kinds[this.#depth - 1] === kind.braces) this.#keepAround()
    }
    return this.#open(what, at + 1)
  }

  #isBody(): boolean {
    const before = this.#before
    if (before === seen.closed || before === seen.arrow || before === seen.blockStart) return true
    if (this.#depth > 0 && this.#kinds[this.#depth - 1] === kind.cases) return true
    return this.#returnsAt === this.#depth && (before === seen.value || before === seen.blockEnd)
  }

  #open(what: number, start: number): number {
    const depth = this.#depth
    if (depth + 1 >= deepest) return unmatched
    this.#kinds[depth] = what
    this.#starts[depth] = start
    this.#keeps[depth] = 0
    this.#firstGaps[depth] = this.#gaps.length
    this.#cuts[depth] = undefined
    this.#depth++
    this.#before = seen.operator
    return start
  }

  #close(byte: number, at: number): number {
    if (this.#depth === 0) return unmatched
    const depth = --this.#depth
    const what = this.#kinds[depth]!
    if (byte === 93 ? what !== kind.square : what !== kind.round && what !== kind.call) return unmatched
    if (this.#keeps[depth] === 1) this.#keepAround()
    else if (what === kind.call && at - this.#starts[depth]! > leastGap) this.#leaveOut(depth, at)
    this.#before = byte === 41 ? seen.closed : seen.value
    return at + 1
  }

  #closeBrace(at: number): number {
    if (this.#depth === 0) return unmatched
    const depth = --this.#depth
    const what = this.#kinds[depth]!
    if (what === kind.round || what === kind.square || what === kind.call) return unmatched
    const start = this.#starts[depth]!
    if (this.#keeps[depth] === 1) {
      this.#keepAround()
      const cuts = this.#cuts[depth]
      const isLarge = at - start > 4 * pieceBytes
      if (isLarge && (what === kind.body || what === kind.space) && cuts) {
        this.#cut(cuts, start, at, this.#firstGaps[depth]!)
        this.#gaps.push(start, at)
      }
    } else if ((what === kind.body || what === kind.cases) && at - start > 2) this.#leaveOut(depth, at)
    if (what === kind.substitution) return this.#template(at + 1)
    this.#before = what === kind.body || what === kind.space ? seen.blockEnd : seen.value
    this.#ended = at + 1
    return at + 1
  }

  #template(start: number): number {
    const end = endOfTemplate(this.#bytes, start)
    if (end > this.#bytes.length) return unmatched
    if (this.#bytes[end - 1] !== 96) return this.#open(kind.substitution, end)
    this.#before = seen.value
    return end
  }

  #keepAround(): void {
    if (this.#depth > 0) this.#keeps[this.#depth - 1] = 1
  }

  /** What is between brackets, and with it what would have been left out of it. */
  #leaveOut(depth: number, end: number): void {
    this.#gaps.length = this.#firstGaps[depth]!
    this.#gaps.push(this.#starts[depth]!, end)
  }

  /** Notes where a statement ended, where statements are told apart. Whether to leave off here. */
  #statement(ended: number): boolean {
    if (this.#depth === 0) {
      if (this.#stopAt(ended)) return true
      if (ended - (this.#rootCuts.at(-1) ?? this.#from) >= pieceBytes) this.#rootCuts.push(ended)
      return false
    }
    const around = this.#depth - 1
    const inside = this.#kinds[around]
    if (inside === kind.body || inside === kind.space) {
      const cuts = this.#cuts[around] ?? []
      this.#cuts[around] = cuts
      if (ended - (cuts.at(-1) ?? this.#starts[around]!) >= pieceBytes) cuts.push(ended)
    }
    return false
  }

  /** Cuts `start` to `end` at `cuts` into pieces, which take their gaps from those since `first`. */
  #cut(cuts: readonly number[], start: number, end: number, first: number): void {
    const inside = this.#gaps.splice(first)
    let next = 0
    let begin = start
    for (const place of [...cuts.filter((place) => place > start && place < end), end]) {
      const own: number[] = []
      for (; next < inside.length && inside[next]! < place; next += 2) own.push(inside[next]!, inside[next + 1]!)
      if (place > begin) this.#pieces.push({ start: begin, end: place, gaps: own })
      begin = place
    }
  }

  #finish(end: number): Skimmed {
    this.#cut(this.#rootCuts, this.#from, end, 0)
    return { pieces: this.#pieces.sort((a, b) => a.start - b.start || b.end - a.end), cuts: this.#rootCuts, end }
  }
}

// What runs over most of the bytes is in functions of its own: small ones are made fast soon.

function endOfWord(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && charClass[bytes[at]!]! >= letters) at++
  return at
}

function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && (charClass[bytes[at]!]! >= letters || bytes[at] === 46)) at++
  return at
}

/** Where the two characters that end it begin. */
function endOfComment(bytes: Uint8Array, start: number): number {
  // By the slash, found without looking at each byte here: stars begin the lines of a comment.
  for (let at = bytes.indexOf(47, start + 1); at > 0; at = bytes.indexOf(47, at + 1))
    if (bytes[at - 1] === 42) return at - 1
  return bytes.length
}

/** Behind the quote that ends it; the end of the line ends it too. */
function endOfString(bytes: Uint8Array, start: number): number {
  const quote = bytes[start]
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === quote || byte === 10) return at + 1
    if (byte === 92) at++
  }
  return bytes.length
}

/** Behind the text of a template: behind its quote or behind `${`. Behind the end of all when there is neither. */
function endOfTemplate(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === 92) at++
    else if (byte === 96) return at + 1
    else if (byte === 36 && bytes[at + 1] === 123) return at + 2
  }
  return bytes.length + 1
}

/** Behind the regular expression that begins here; 0 when it is none. */
function endOfExpression(bytes: Uint8Array, start: number): number {
  let isSet = false
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === 10) return 0
    if (byte === 92) at++
    else if (byte === 91) isSet = true
    else if (byte === 93) isSet = false
    else if (byte === 47 && !isSet) return at + 1
  }
  return 0
}

function goesOn(meaning: number): boolean {
  return meaning === word.continues || meaning === word.conditionThatContinues || meaning === word.blockThatContinues
}
