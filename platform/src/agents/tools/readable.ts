const breaking = /^<(?:br|\/p|\/div|\/li|\/h\d|\/tr|\/title)\b/i
const hidden = /^<(script|style|template)\b/i
/** Longer than the longest of the names above. */
const longestName = 12

/**
 * The text of a page, without its tags. It is read once from its beginning to its end, whatever it is: what is looked for further on
 * is looked for from where it was found the last time.
 */
export function readable(html: string): string {
  const close = new Finder(html, />/g)
  const endOfComment = new Finder(html, /-->/g)
  const ends: Record<string, Finder> = {
    script: new Finder(html, /<\/script\s*>/gi),
    style: new Finder(html, /<\/style\s*>/gi),
    template: new Finder(html, /<\/template\s*>/gi),
  }
  let text = ''
  let at = 0
  for (;;) {
    const open = html.indexOf('<', at)
    if (open < 0) break
    text += html.slice(at, open)
    const head = html.slice(open, open + longestName)
    const name = hidden.exec(head)?.[1]?.toLowerCase()
    const end =
      (name && ends[name]!.after(open)) ||
      (head.startsWith('<!--') && endOfComment.after(open + 4)) ||
      (/^<[a-z/!?]/i.test(head) && close.after(open))
    text += end ? (breaking.test(head) ? '\n' : ' ') : '<'
    at = end || open + 1
  }
  return plain(text + html.slice(at))
}

/** Where something ends, for places that are asked in order. */
class Finder {
  readonly #text: string
  readonly #wanted: RegExp
  #found = { start: -1, end: 0 }

  constructor(text: string, wanted: RegExp) {
    this.#text = text
    this.#wanted = wanted
  }

  /** The end of the first one that begins at `place` or later; 0 where there is none. */
  after(place: number): number {
    if (this.#found.start >= place) return this.#found.end
    this.#wanted.lastIndex = place
    const match = this.#wanted.exec(this.#text)
    this.#found = match
      ? { start: match.index, end: match.index + match[0].length }
      : { start: Number.POSITIVE_INFINITY, end: 0 }
    return this.#found.end
  }
}

const characters: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', '#39': "'" }

function plain(text: string): string {
  return text
    .replace(/&(amp|lt|gt|quot|nbsp|#39);/g, (_, name: string) => characters[name]!)
    .replace(/[ \t]+/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .join('\n')
}
