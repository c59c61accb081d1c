/** Cuts at blanks, but not within quotes; quotes and escapes stay as they are. */
export function splitWords(text: string, escapeLetter: string): string[] {
  const words: string[] = []
  let word = ''
  let inWord = false
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!
    if (letter === escapeLetter && quote !== "'" && at + 1 < text.length) {
      word += letter + text[++at]
      inWord = true
    } else if (quote) {
      word += letter
      if (letter === quote) quote = ''
    } else if (/\s/.test(letter)) {
      if (inWord) words.push(word)
      word = ''
      inWord = false
    } else {
      if (letter === '"' || letter === "'") quote = letter
      word += letter
      inWord = true
    }
  }
  if (inWord) words.push(word)
  return words
}

/** Takes the words `--name` and `--name=value` off the front. */
export function takeFlags(rest: string): { flags: [name: string, value: string | undefined][]; rest: string } {
  const flags: [string, string | undefined][] = []
  let left = rest
  for (;;) {
    const [all, name, value] = /^--([a-zA-Z][\w-]*)(?:=(\S*))?(?:\s+|$)/.exec(left) ?? []
    if (all === undefined) return { flags, rest: left }
    flags.push([name!, value])
    left = left.slice(all.length)
  }
}

/** The words of a JSON array of texts; undefined for what is none, which then is meant for a shell. */
export function execForm(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) && parsed.every((word) => typeof word === 'string') ? parsed : undefined
  } catch {
    return undefined
  }
}

/** One word for a shell, whatever is in it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
