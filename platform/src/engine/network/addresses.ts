/** IPv4 addresses as numbers from 0 to 2^32 - 1, so that ranges are comparisons. */

/** A range of addresses, as `93.184.216.0/24` names it. */
export interface AddressRange {
  first: number
  last: number
  text: string
}

/** Only the form with four decimal numbers: what has leading zeros or other bases is no address, whoever else takes it. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined
  return parts.reduce((address, part) => address * 256 + Number(part), 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** `10.0.0.0/8`, or one address. Undefined for anything else, also where bits beyond the prefix are set. */
export function parseRange(text: string): AddressRange | undefined {
  const [, base = '', length = '32'] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? []
  const first = parseAddress(base)
  const bits = Number(length)
  if (first === undefined || bits > 32) return undefined
  const size = 2 ** (32 - bits)
  if (first % size !== 0) return undefined
  return { first, last: first + size - 1, text: bits === 32 ? base : `${base}/${bits}` }
}

export function contains(range: AddressRange, address: number): boolean {
  return address >= range.first && address <= range.last
}

export function isWithin(inner: AddressRange, outer: AddressRange): boolean {
  return inner.first >= outer.first && inner.last <= outer.last
}

/** What is left of `ranges` without what is in one of `holes`, in ranges that a prefix can name. */
export function withoutRanges(ranges: readonly AddressRange[], holes: readonly AddressRange[]): AddressRange[] {
  const inOrder = [...holes].sort((one, other) => one.first - other.first)
  return ranges.flatMap((range) => {
    const left: AddressRange[] = []
    let next = range.first
    for (const { first, last } of inOrder) {
      if (last < next || first > range.last) continue
      left.push(...blocks(next, first - 1))
      next = last + 1
    }
    return [...left, ...blocks(next, range.last)]
  })
}

/** The fewest ranges with a prefix that have these addresses and no others. */
function blocks(first: number, last: number): AddressRange[] {
  const made: AddressRange[] = []
  for (let next = first; next <= last; ) {
    let bits = 32
    while (bits > 0 && next % 2 ** (33 - bits) === 0 && next + 2 ** (33 - bits) - 1 <= last) bits--
    const range = parseRange(`${formatAddress(next)}/${bits}`)!
    made.push(range)
    next = range.last + 1
  }
  return made
}
