import type { Node, Tree } from 'web-tree-sitter'
import type { Piece } from './skim-script.ts'

const mostOpen = 1000
const stride = 4096

/**
 * The text of a piece without its gaps, one character for each byte, so that places in it are told from places in the file.
 * What is not ASCII is a letter to the grammar, whatever it is, valid UTF-8 or not.
 */
export class ParsedText {
  readonly text: string
  /** Where in the text a stretch begins, and where in the file. */
  readonly #inText: number[] = []
  readonly #inFile: number[] = []

  constructor(bytes: Buffer, { start, end, gaps }: Piece) {
    let text = ''
    let at = start
    for (let gap = 0; gap <= gaps.length; gap += 2) {
      const until = gaps[gap] ?? end
      this.#inText.push(text.length)
      this.#inFile.push(at)
      text += bytes.toString('latin1', at, until)
      at = gaps[gap + 1] ?? end
    }
    if (text.startsWith('\u00ef\u00bb\u00bf')) text = `   ${text.slice(3)}`
    this.text = /[\x80-\xff]/.test(text) ? text.replace(/[\x80-\xff]/g, 'ª') : text
  }

  /** Whether very many brackets wait to be closed: then the parser takes very long, and does not heed its deadline. */
  get isTooDeep(): boolean {
    let open = 0
    for (let at = 0; at < this.text.length; at++) {
      const char = this.text.charCodeAt(at)
      if (char === 40 || char === 91 || char === 123) {
        if (++open > mostOpen) return true
      } else if ((char === 41 || char === 93 || char === 125) && open > 0) open--
    }
    return false
  }

  /** The place in the file of a place in the text. */
  placeOf(inText: number): number {
    let [low, high] = [0, this.#inText.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#inText[middle]! <= inText) low = middle
      else high = middle - 1
    }
    return this.#inFile[low]! + inText - this.#inText[low]!
  }

  startOf(node: Node): number {
    return this.placeOf(node.startIndex)
  }

  endOf(node: Node): number {
    return node.endIndex === 0 ? this.placeOf(0) : this.placeOf(node.endIndex - 1) + 1
  }
}

/** Tells a tree in what its text was changed, so that only that is parsed anew. */
export function editTree(tree: Tree, before: string, after: string): void {
  const most = Math.min(before.length, after.length)
  let start = 0
  while (start + stride <= most && before.slice(start, start + stride) === after.slice(start, start + stride))
    start += stride
  while (start < most && before.charCodeAt(start) === after.charCodeAt(start)) start++
  let [oldEnd, newEnd] = [before.length, after.length]
  while (
    Math.min(oldEnd, newEnd) - stride >= start &&
    before.slice(oldEnd - stride, oldEnd) === after.slice(newEnd - stride, newEnd)
  ) {
    oldEnd -= stride
    newEnd -= stride
  }
  while (oldEnd > start && newEnd > start && before.charCodeAt(oldEnd - 1) === after.charCodeAt(newEnd - 1)) {
    oldEnd--
    newEnd--
  }
  const startPosition = pointAt(before, start)
  tree.edit({
    startIndex: start,
    oldEndIndex: oldEnd,
    newEndIndex: newEnd,
    startPosition,
    oldEndPosition: pointAt(before, oldEnd, start, startPosition),
    newEndPosition: pointAt(after, newEnd, start, startPosition),
  } as Parameters<Tree['edit']>[0])
}

interface Point {
  row: number
  column: number
}

/** The line and column of a place, counted on from an earlier one. */
function pointAt(text: string, index: number, from = 0, { row, column }: Point = { row: 0, column: 0 }): Point {
  let line = from - column
  for (let next = text.indexOf('\n', from); next >= 0 && next < index; next = text.indexOf('\n', line)) {
    row++
    line = next + 1
  }
  return { row, column: index - line }
}
