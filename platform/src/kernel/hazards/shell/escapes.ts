import { unknown } from './scope.ts'

const named: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', e: '\x1b', f: '\f', v: '\v' }

/** With `\x41`, `\101` and `\n` as what they stand for. */
export function escapesOf(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{1,2})|u([0-9a-f]{1,4})|U([0-9a-f]{1,6})|0?([0-7]{1,3})|(.))/gis,
    (_, x?: string, u?: string, long?: string, octal?: string, one?: string) => {
      const code = x ?? u ?? long
      if (code) return fromCode(Number.parseInt(code, 16))
      if (octal) return fromCode(Number.parseInt(octal, 8))
      return named[one!] ?? one!
    },
  )
}

function fromCode(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : unknown
}
