import { WarrenError } from '../errors.ts'

/**
 * The part of `size` bytes that a `Range` header asks for; undefined for the whole, also when the header asks for several
 * parts or in a way we do not know, as the standard allows. Throws `invalid_request` when the part lies outside.
 */
export function byteRange(header: string | undefined, size: number): { offset: number; length: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [first, last] = [match[1]!, match[2]!]
  const offset = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < offset) return undefined
  if (offset >= size)
    throw new WarrenError('invalid_request', `range "${header}" begins beyond the ${size} bytes of the file`)
  return { offset, length: end - offset }
}
