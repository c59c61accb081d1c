import { lookup } from 'node:dns'
import { isIP, isIPv6, type LookupFunction } from 'node:net'
import { type AddressRange, contains, parseAddress, parseRange } from './addresses.ts'
import { closedBecause } from './floor.ts'

/** What nobody opens: there is nobody, nobody in particular, or the cloud's metadata. */
const neverOpened = ['0.0.0.0/8', '169.254.0.0/16', '192.0.0.0/24', '224.0.0.0/4', '240.0.0.0/4'].map(
  (text) => parseRange(text)!,
)

/** Reads one range that the operator opens; loopback may be among them. Throws, as the end of a sentence. */
export function parseOpenRange(text: string): AddressRange {
  const range = parseRange(text)
  if (!range) throw new Error(`an IPv4 range such as 10.1.2.0/24, not "${text}"`)
  const closed = neverOpened.find((part) => part.first <= range.last && range.first <= part.last)
  if (closed) throw new Error(`outside of ${closed.text}, which is never opened, not "${text}"`)
  return range
}

export type AddressVerdict = { reach: 'public' | 'opened' } | { reach: 'closed'; reason: string }

/** Whether an address that a tenant named may be asked by the platform itself, and whether only because the operator opened it. */
export function judgeAddress(address: string, open: readonly AddressRange[]): AddressVerdict {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  const number = parseAddress(mapped ?? address)
  if (number === undefined) return judgeIpv6(address)
  const closed = closedBecause(number, [])
  if (!closed) return { reach: 'public' }
  return open.some((range) => contains(range, number)) ? { reach: 'opened' } : { reach: 'closed', reason: closed }
}

/** Only what is routed in the whole internet, less the ways in which an IPv4 address is hidden in it. */
function judgeIpv6(address: string): AddressVerdict {
  if (!isIPv6(address)) return { reach: 'closed', reason: 'is no address' }
  const [first = 0, second = 0] = address.split(':').map((group) => Number.parseInt(group || '0', 16))
  const isGlobal = first >= 0x2000 && first <= 0x3fff
  const isTunnel = first === 0x2002 || (first === 0x2001 && (second === 0 || second === 0xdb8))
  if (isGlobal && !isTunnel) return { reach: 'public' }
  return { reach: 'closed', reason: 'is outside of the IPv6 addresses of the public internet' }
}

/**
 * A lookup for one connection to the host of `url`, which hands each address to `judge`; what that throws ends the connection
 * before it is made. So a name cannot stand for another address a moment after it was judged.
 */
export function judgedLookup(url: URL, judge: (address: string) => void): LookupFunction {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // No lookup is made for what is an address already.
  if (isIP(host)) judge(host)
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '', 0)
      try {
        for (const { address } of found) judge(address)
      } catch (refused) {
        return done(refused as Error, '', 0)
      }
      if (options.all) done(null, found)
      else done(null, found[0]!.address, found[0]!.family)
    })
  }
}
