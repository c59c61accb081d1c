import type { CodeFile } from './code-file.ts'
import type { CodeIndex } from './code-index.ts'
import type { CodeThreads } from './code-threads.ts'
import { isBelow } from './find-symbols.ts'
import type { SearchedFile } from './search-text.ts'
import { hasWord, wordNumber } from './words-in.ts'

export interface SearchCode {
  pattern: string
  regex?: boolean | undefined
  ignoreCase?: boolean | undefined
  /** Only below this path. */
  path?: string | undefined
  most: number
}

export interface FoundLine {
  path: string
  line: number
  text: string
}

const batchFiles = 200
const batchBytes = 16 * 1024 * 1024
/** A file in no language we know is searched when it is no larger. */
const mostTextBytes = 1024 * 1024

/** The lines that hold a text or a regular expression. */
export async function searchCode(
  { index, threads }: { index: CodeIndex; threads: Pick<CodeThreads, 'search'> },
  { pattern, regex = false, ignoreCase = false, path, most }: SearchCode,
  signal?: AbortSignal,
): Promise<FoundLine[]> {
  const inner = regex || ignoreCase ? [] : innerWords(pattern)
  const files = [...index.files.values()]
    .filter((file) => path === undefined || isBelow(file.path, path))
    .filter((file) => mayHold(file, inner))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  const found: FoundLine[] = []
  for (let next = 0; next < files.length && found.length < most; ) {
    const batch: SearchedFile[] = []
    for (let bytes = 0; next < files.length && batch.length < batchFiles && bytes < batchBytes; next++) {
      const file = files[next]!
      const content = await index.contentOf(file.path, signal)
      if (!content || (!file.analysis && content.length > mostTextBytes) || content.subarray(0, 8000).includes(0))
        continue
      batch.push({ id: next, bytes: content })
      bytes += content.length
    }
    const request = { files: batch, pattern, literal: !regex, ignoreCase, most: most - found.length }
    for (const { id, line, text } of await threads.search(request, signal))
      found.push({ path: files[id]!.path, line, text })
  }
  return found
}

/** Words of a text that are whole wherever it is found. */
function innerWords(text: string): number[] {
  return [...text.matchAll(/(?<=[^\w$\x80-\uffff])[\w$]+(?=[^\w$\x80-\uffff])/g)].map(([word]) => wordNumber(word))
}

function mayHold({ analysis, passedOver }: CodeFile, words: readonly number[]): boolean {
  if (passedOver === 'binary' || passedOver === 'too large') return false
  return !analysis || words.every((word) => hasWord(analysis.words, word))
}
