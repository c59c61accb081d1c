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
  const stackKind = new Uint8Array(deepest)
  const stackStart = new Int32Array(deepest)
  const stackKeeps = new Uint8Array(deepest)
  const stackGaps = new Int32Array(deepest)
  const stackCuts: (number[] | undefined)[] = []
  const pieces: Piece[] = []
  const gaps: number[] = []
  const rootCuts: number[] = []
  let depth = 0
  let before: number = seen.operator
  let header: number = word.none
  let headerDepth = 0
  let returnsAt = -1
  let ended = -1
  let wasLine = false
  let at = from
  const size = bytes.length

  const open = (what: number, start: number): boolean => {
    if (depth + 1 >= deepest) return false
    stackKind[depth] = what
    stackStart[depth] = start
    stackKeeps[depth] = 0
    stackGaps[depth] = gaps.length
    stackCuts[depth] = undefined
    depth++
    return true
  }
  /** Notes where a statement ended, where statements are told apart. */
  const statement = (ended: number): boolean => {
    if (depth === 0) {
      if (stopAt(ended)) return true
      if (ended - (rootCuts.at(-1) ?? from) >= pieceBytes) rootCuts.push(ended)
      return false
    }
    const inside = stackKind[depth - 1]
    if (inside === kind.body || inside === kind.space) {
      const cuts = stackCuts[depth - 1] ?? []
      stackCuts[depth - 1] = cuts
      if (ended - (cuts.at(-1) ?? stackStart[depth - 1]!) >= pieceBytes) cuts.push(ended)
    }
    return false
  }
  /** Cuts `start` to `end` at `cuts` into pieces, which take their gaps from those since `first`. */
  const cut = (cuts: readonly number[], start: number, end: number, first: number) => {
    const inside = gaps.splice(first)
    let next = 0
    let begin = start
    for (const place of [...cuts.filter((place) => place > start && place < end), end]) {
      const own: number[] = []
      for (; next < inside.length && inside[next]! < place; next += 2) own.push(inside[next]!, inside[next + 1]!)
      if (place > begin) pieces.push({ start: begin, end: place, gaps: own })
      begin = place
    }
  }
  const finish = (end: number): Skimmed => {
    cut(rootCuts, from, end, 0)
    return { pieces: pieces.sort((a, b) => a.start - b.start || b.end - a.end), cuts: rootCuts, end }
  }

  if (from === 0 && bytes[0] === 0x23 && bytes[1] === 0x21) while (at < size && bytes[at] !== 10) at++
  while (at < size) {
    const byte = bytes[at]!
    const its = charClass[byte]!
    if (its === spaces) {
      if (byte === 10) wasLine = true
      let end = at + 1
      while (bytes[end] === 32) end++
      at = end
      continue
    }
    if (byte === 47) {
      const next = bytes[at + 1]
      if (next === 47) {
        const line = bytes.indexOf(10, at)
        const end = line < 0 ? size : line
        if (end - at > leastGap) gaps.push(at + 2, end)
        at = end
        continue
      }
      if (next === 42) {
        const start = at + 2
        const end = endOfComment(bytes, start)
        if (!wasLine) {
          const line = bytes.indexOf(10, start)
          wasLine = line >= 0 && line < end
        }
        if (end - start > leastGap) gaps.push(start, Math.min(end, size))
        at = end + 2
        continue
      }
    }
    if (its === letters) {
      const start = at
      const end = endOfWord(bytes, start + 1)
      at = end
      const meaning = meaningOf(bytes, start, end)
      if (ended >= 0) {
        if (!goesOn(meaning) && (wasLine || before === seen.operator) && statement(ended)) return finish(ended)
        ended = -1
      }
      wasLine = false
      if (meaning >= word.keeps && meaning < word.condition) {
        if (depth > 0) stackKeeps[depth - 1] = 1
        if (meaning >= word.members) {
          header = meaning
          headerDepth = depth
        }
        if (returnsAt === depth) returnsAt = -1
      }
      if (meaning === word.none) before = seen.value
      else if (meaning >= word.block) before = seen.blockStart
      else if (meaning === word.operator || meaning === word.continues) before = seen.operator
      else before = seen.keyword
      continue
    }
    if (ended >= 0) {
      if (byte === 125 || (before === seen.operator && byte !== 59 && statement(ended))) {
        if (byte !== 125) return finish(ended)
      }
      ended = -1
    }
    wasLine = false
    if (its === digits) {
      at++
      while (at < size && (charClass[bytes[at]!]! >= letters || bytes[at] === 46)) at++
      before = seen.value
      continue
    }
    switch (byte) {
      case 34:
      case 39:
        at = endOfString(bytes, at)
        before = seen.value
        continue
      case 96:
        at = endOfTemplate(bytes, at + 1)
        if (at > size) return undefined
        if (bytes[at - 1] === 96) before = seen.value
        else {
          before = seen.operator
          if (!open(kind.substitution, at)) return undefined
        }
        continue
      case 47: {
        if (before === seen.operator || before >= seen.arrow) {
          const end = endOfExpression(bytes, at)
          if (end > 0) {
            at = end
            before = seen.value
            continue
          }
        }
        at++
        before = seen.operator
        continue
      }
      case 40:
      case 91:
        if (!open(byte === 91 ? kind.square : before === seen.value ? kind.call : kind.round, at + 1)) return undefined
        at++
        before = seen.operator
        continue
      case 123: {
        let what: number = kind.braces
        if (header !== word.none && headerDepth === depth) {
          what = header === word.space ? kind.space : header === word.cases ? kind.cases : kind.braces
          header = word.none
        } else if (before === seen.closed || before === seen.arrow || before === seen.blockStart) what = kind.body
        else if (depth > 0 && stackKind[depth - 1] === kind.cases) what = kind.body
        else if (returnsAt === depth && (before === seen.value || before === seen.blockEnd)) what = kind.body
        if (what === kind.body) {
          if (returnsAt === depth) returnsAt = -1
          // Of a method, which has a name.
          if (depth > 0 && stackKind[depth - 1] === kind.braces) stackKeeps[depth - 1] = 1
        }
        if (!open(what, at + 1)) return undefined
        at++
        before = seen.operator
        continue
      }
      case 41:
      case 93: {
        if (depth === 0) return undefined
        const what = stackKind[--depth]!
        if (byte === 93 ? what !== kind.square : what !== kind.round && what !== kind.call) return undefined
        if (stackKeeps[depth] === 1) {
          if (depth > 0) stackKeeps[depth - 1] = 1
        } else if (what === kind.call && at - stackStart[depth]! > leastGap) {
          gaps.length = stackGaps[depth]!
          gaps.push(stackStart[depth]!, at)
        }
        at++
        before = byte === 41 ? seen.closed : seen.value
        continue
      }
      case 125: {
        if (depth === 0) return undefined
        const what = stackKind[--depth]!
        if (what === kind.round || what === kind.square || what === kind.call) return undefined
        const start = stackStart[depth]!
        if (stackKeeps[depth] === 1) {
          if (depth > 0) stackKeeps[depth - 1] = 1
          const isLarge = at - start > 4 * pieceBytes
          if (isLarge && (what === kind.body || what === kind.space) && stackCuts[depth]) {
            cut(stackCuts[depth]!, start, at, stackGaps[depth]!)
            gaps.push(start, at)
          }
        } else if ((what === kind.body || what === kind.cases) && at - start > 2) {
          gaps.length = stackGaps[depth]!
          gaps.push(start, at)
        }
        at++
        if (what === kind.substitution) {
          at = endOfTemplate(bytes, at)
          if (at > size) return undefined
          if (bytes[at - 1] === 96) before = seen.value
          else {
            before = seen.operator
            if (!open(kind.substitution, at)) return undefined
          }
          continue
        }
        before = what === kind.body || what === kind.space ? seen.blockEnd : seen.value
        ended = at
        continue
      }
      case 59:
        at++
        before = seen.operator
        ended = at
        if (header !== word.none && headerDepth === depth) header = word.none
        if (returnsAt === depth) returnsAt = -1
        continue
      case 58:
        if (before === seen.closed) returnsAt = depth
        break
      case 61:
        if (bytes[at + 1] === 62) {
          at += 2
          before = seen.arrow
          if (depth > 0 && stackKind[depth - 1] === kind.braces) stackKeeps[depth - 1] = 1
          if (returnsAt === depth) returnsAt = -1
          continue
        }
        if (header !== word.none && headerDepth === depth) header = word.none
        if (returnsAt === depth) returnsAt = -1
        break
      case 44:
        if (returnsAt === depth) returnsAt = -1
        break
      case 46:
        if (header === word.space) header = word.none
        break
      case 62:
        // Of a type, before the body it is the type of.
        if (returnsAt === depth) {
          at++
          before = seen.value
          continue
        }
        break
    }
    at++
    before = seen.operator
  }
  if (depth !== 0) return undefined
  return finish(size)
}

// What runs over most of the bytes is in functions of its own: small ones are made fast soon.

function endOfWord(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && charClass[bytes[at]!]! >= letters) at++
  return at
}

/** Where the two characters that end it begin. */
function endOfComment(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && !(bytes[at] === 42 && bytes[at + 1] === 47)) at++
  return at
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
