import { Type } from 'typebox'
import { type AddressRange, formatAddress, parseRange, withoutRanges } from '../../engine/network/addresses.ts'
import type { NetworkPolicy } from '../../engine/network/rules.ts'
import type { AskedNetwork } from '../../sandboxes/network.ts'
import { Refusal } from './refusal.ts'

const Rules = Type.Unsafe<string[] | null>({
  anyOf: [Type.Array(Type.String({ minLength: 1, maxLength: 300 }), { maxItems: 256 }), { type: 'null' }],
})

/** What may be reached, as E2B's clients ask for it. */
export const reachFields = { allowOut: Type.Optional(Rules), denyOut: Type.Optional(Rules) }

const everything = '0.0.0.0/0'

interface Reach {
  allowOut?: string[] | null
  denyOut?: string[] | null
}

/**
 * With E2B what is allowed goes before what is denied, here it is the other way round: so what is allowed is taken out of what
 * is denied. `usual` is the operator's default, which what is allowed alone does not change.
 */
export function reachInput(
  { allowOut, denyOut }: Reach,
  internetAccess: boolean | undefined,
  usual: 'allow' | 'deny',
): AskedNetwork {
  const asked = {
    ...(internetAccess === undefined ? {} : { internet: internetAccess }),
    ...(allowOut ? { allow: allowOut } : {}),
    ...(denyOut ? { deny: denyOut } : {}),
  }
  return { ...reach(allowOut ?? [], denyOut ?? [], { internetAccess, usual }), asked }
}

function reach(
  allow: string[],
  denied: string[],
  { internetAccess, usual }: { internetAccess: boolean | undefined; usual: 'allow' | 'deny' },
): AskedNetwork {
  const isClosed = internetAccess === false || denied.includes(everything)
  const name = denied.find((rule) => !isRange(rule))
  if (name) throw new Refusal(400, `denyOut takes addresses and ranges of them, not "${name}"`)
  if (isClosed) return { internet: false, allow: allow.map(plain) }
  if (allow.some((rule) => !isRange(rule)))
    throw new Refusal(
      400,
      "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out to block all other traffic.",
    )
  if (denied.length === 0) return allow.length === 0 ? {} : { internet: usual === 'allow', allow: allow.map(plain) }
  const [ranges, holes] = [denied, allow].map((rules) => rules.map((rule) => range(rule)))
  return { internet: true, allow: allow.map(plain), deny: withoutRanges(ranges!, holes!).map(({ text }) => text) }
}

/** What may be reached, in the words it was asked for in. What another door has set is told in ours. */
export function reachView({ internet, allow, deny, asked }: NetworkPolicy): Reach {
  if (!asked) return { allowOut: allow, denyOut: [...(internet ? [] : [everything]), ...deny] }
  return {
    ...(asked.allow ? { allowOut: asked.allow } : {}),
    ...(asked.deny ? { denyOut: asked.deny } : {}),
  }
}

function isRange(rule: string): boolean {
  return /^[\d.]+(\/\d+)?$/.test(rule)
}

/** A range as it is spelled here: clients may set bits beyond the prefix, which mean nothing. */
function plain(rule: string): string {
  return isRange(rule) ? range(rule).text : rule
}

function range(rule: string): AddressRange {
  const [base = '', bits = '32'] = rule.split('/')
  const address = parseRange(base)
  const size = 2 ** (32 - Number(bits))
  const found =
    address && Number(bits) <= 32 && parseRange(`${formatAddress(address.first - (address.first % size))}/${bits}`)
  if (!found) throw new Refusal(400, `"${rule}" is neither an address nor a range of them`)
  return found
}
