/** What a word of JavaScript or TypeScript means for where statements and bodies begin and end. */
export const word = {
  none: 0,
  /** A value may follow, so that `/` begins a regular expression. */
  operator: 1,
  /** Goes on with the statement before it, on a new line too. */
  continues: 2,
  /** What is in the body around it is to be looked at. */
  keeps: 3,
  /** The next brace holds members. */
  members: 4,
  /** The next brace holds statements, which have names outside. */
  space: 5,
  /** The next brace holds cases. */
  cases: 6,
  /** What stands in the round brackets behind it may not be left out. */
  condition: 7,
  conditionThatContinues: 8,
  /** The next brace holds statements. */
  block: 9,
  blockThatContinues: 10,
} as const

const meanings: [number, string][] = [
  [
    word.operator,
    'return typeof case delete void throw new await yield default extends implements keyof is readonly infer',
  ],
  [word.block, 'try do'],
  [word.blockThatContinues, 'else finally'],
  [word.continues, 'instanceof in of as satisfies from'],
  [word.keeps, 'function require import export'],
  [word.members, 'class interface enum'],
  [word.space, 'namespace module global'],
  [word.cases, 'switch'],
  [word.condition, 'if for with'],
  [word.conditionThatContinues, 'while catch'],
]

const places = 1024
const slots = new Uint8Array(places)
const spelled: Uint8Array[] = [new Uint8Array()]
const meant: number[] = [0]
for (const [meaning, words] of meanings)
  for (const text of words.split(' ')) {
    const bytes = Buffer.from(text)
    const place = placeOf(bytes, 0, bytes.length)
    if (slots[place] !== 0)
      throw new Error(`the words ${text} and ${Buffer.from(spelled[slots[place]!]!)} share a place`)
    slots[place] = spelled.push(bytes) - 1
    meant.push(meaning)
  }

/** What the word from `start` to `end` means. */
export function meaningOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 2 || length > 10) return word.none
  const slot = slots[placeOf(bytes, start, end)]!
  if (slot === 0) return word.none
  const text = spelled[slot]!
  if (text.length !== length) return word.none
  for (let at = 0; at < length; at++) if (text[at] !== bytes[start + at]) return word.none
  return meant[slot]!
}

function placeOf(bytes: Uint8Array, start: number, end: number): number {
  return (bytes[start]! * 7 + bytes[start + 1]! * 31 + bytes[end - 1]! * 131 + (end - start) * 53) & (places - 1)
}
