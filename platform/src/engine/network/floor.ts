import { type AddressRange, contains, isWithin, parseRange } from './addresses.ts'

/** What no sandbox reaches, whatever its policy says, unless the operator opens a range of it. */
const floor: readonly (AddressRange & { what: string })[] = (
  [
    ['0.0.0.0/8', 'this network'],
    ['10.0.0.0/8', 'private'],
    ['100.64.0.0/10', 'shared by carriers'],
    ['127.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local, where cloud metadata is'],
    ['172.16.0.0/12', 'private'],
    ['192.0.0.0/24', 'set aside for protocols'],
    ['192.0.2.0/24', 'set aside for documentation'],
    ['192.88.99.0/24', 'relays to IPv6'],
    ['192.168.0.0/16', 'private'],
    ['198.18.0.0/15', 'set aside for measurements'],
    ['198.51.100.0/24', 'set aside for documentation'],
    ['203.0.113.0/24', 'set aside for documentation'],
    ['224.0.0.0/4', 'multicast'],
    ['240.0.0.0/4', 'reserved, and broadcast'],
  ] as const
).map(([text, what]) => ({ ...parseRange(text)!, what }))

/** What even an operator cannot open: there is nobody but this host, or nobody in particular. */
const neverOpened = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '192.0.0.0/24', '224.0.0.0/4', '240.0.0.0/4'].map(
  (text) => parseRange(text)!,
)

/** Why `address` may not be reached, as the end of a sentence; undefined where it may. */
export function closedBecause(address: number, opened: readonly AddressRange[]): string | undefined {
  const found = floor.find((range) => contains(range, address))
  if (!found || opened.some((range) => contains(range, address))) return undefined
  return `is in ${found.text} (${found.what})`
}

/** The part of the floor that `range` lies in as a whole, if it does and the operator has not opened it. */
export function floorAround(range: AddressRange, opened: readonly AddressRange[]): string | undefined {
  const found = floor.find((part) => isWithin(range, part))
  if (!found || opened.some((part) => isWithin(range, part))) return undefined
  return `${found.text} (${found.what})`
}

/** Reads what the operator opens. Throws, as the end of a sentence, for what is no range and for what stays closed. */
export function parseOpened(text: string): AddressRange {
  const range = parseRange(text)
  if (!range) throw new Error(`an IPv4 range such as 10.1.2.0/24, not "${text}"`)
  const closed = neverOpened.find((part) => part.first <= range.last && range.first <= part.last)
  if (closed) throw new Error(`outside of ${closed.text}, which is never opened, not "${text}"`)
  return range
}
