/** One file of those that are searched. */
export interface SearchedFile {
  id: number
  bytes: Buffer
}

export interface TextMatch {
  id: number
  /** From 1. */
  line: number
  text: string
}

export interface SearchRequest {
  files: SearchedFile[]
  /** A regular expression, or with `literal` what is looked for itself. */
  pattern: string
  literal: boolean
  ignoreCase: boolean
  most: number
}

const mostLineChars = 300

/** The lines that a pattern is found in, by file and line. */
export function searchText({ files, pattern, literal, ignoreCase, most }: SearchRequest): TextMatch[] {
  const expression = new RegExp(
    literal ? pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&') : pattern,
    `gm${ignoreCase ? 'i' : ''}`,
  )
  const wanted = literal && !ignoreCase ? Buffer.from(pattern) : undefined
  const found: TextMatch[] = []
  for (const { id, bytes } of files) {
    if (wanted && !bytes.includes(wanted)) continue
    const text = bytes.toString('utf8')
    let [line, counted, last] = [1, 0, 0]
    for (const match of text.matchAll(expression)) {
      for (let at = text.indexOf('\n', counted); at >= 0 && at < match.index; at = text.indexOf('\n', counted)) {
        line++
        counted = at + 1
      }
      if (line === last) continue
      last = line
      const end = text.indexOf('\n', counted)
      found.push({
        id,
        line,
        text: text
          .slice(counted, end < 0 ? undefined : end)
          .slice(0, mostLineChars)
          .trimEnd(),
      })
      if (found.length >= most) return found
    }
  }
  return found
}
