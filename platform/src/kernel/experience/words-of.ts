/** What tells nothing of a text. */
const silent = new Set(
  'a an and are as at be been but by can do does for from had has have how i if in into is it its me my not of on or our out please should so that the their then there they this to up us was we were what when where which who will with would you your'.split(
    ' ',
  ),
)
const nothing = 0
const letter = 1
/** Written without spaces: each character is a word, and so are two that stand together. */
const ideograph = 2

/** The words of a text in their order, in lower case and without what grammar puts at their ends; of none there may be many. */
export function wordsOf(text: string): string[] {
  const words: string[] = []
  const lower = text.toLowerCase()
  let [start, kind] = [0, nothing]
  for (let at = 0; at <= lower.length; at++) {
    const next = at === lower.length ? nothing : kindOf(lower, at)
    if (next === kind) continue
    if (kind === letter) take(lower.slice(start, at), words)
    else if (kind === ideograph) takeIdeographs(lower.slice(start, at), words)
    start = at
    kind = next
  }
  return words
}

function take(word: string, words: string[]): void {
  if (!silent.has(word)) words.push(word.length > 3 ? stemOf(word) : word)
}

function takeIdeographs(run: string, words: string[]): void {
  for (let at = 0; at < run.length; at++) {
    words.push(run[at]!)
    if (at + 1 < run.length) words.push(run.slice(at, at + 2))
  }
}

/** One spelling for the forms of an English word, as far as it is certain; what remains is found by its letters. */
function stemOf(word: string): string {
  let stem = word
  if (stem.endsWith('ies') && stem.length > 4) stem = `${stem.slice(0, -3)}y`
  else if (/(?:[sxz]|ch|sh)es$/.test(stem)) stem = stem.slice(0, -2)
  else if (stem.endsWith('s') && !/(?:ss|us|is)$/.test(stem)) stem = stem.slice(0, -1)
  if (stem.endsWith('ing') && stem.length > 5) stem = stem.slice(0, -3)
  else if (stem.endsWith('ed') && stem.length > 4) stem = stem.slice(0, -2)
  return stem.length > 3 && stem.endsWith('e') ? stem.slice(0, -1) : stem
}

function kindOf(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) ? letter : nothing
  if (code >= 0x3040 && code <= 0x9fff) return ideograph
  // Korean is written with spaces, other signs of these pages are none of words.
  if (code >= 0xac00 && code <= 0xd7a3) return letter
  return /[\p{L}\p{N}\p{M}]/u.test(text[at]!) ? letter : nothing
}
