import {
  type Answer,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import { formatAddress } from '../addresses.ts'
import { decideQuestion } from '../decide.ts'
import { closedBecause } from '../floor.ts'
import { plainName } from '../rules.ts'
import { demo } from './demo.ts'
import type { Found } from './names.ts'
import type { Traffic } from './traffic.ts'
import type { Outside } from './upstream.ts'

/** Questions of one sandbox that are answered at the same time. */
const mostAsking = 128
const codes = { none: 0, format: 1, server: 2, noName: 3, notImplemented: 4, refused: 5 }
/** Answered only where the whole internet is open: these carry more than an address, in both directions. */
const furtherTypes = ['TXT', 'MX', 'SRV', 'NS', 'CNAME', 'PTR', 'CAA', 'SOA']

/**
 * The answer to one DNS message. Only a name that the policy allows is ever asked for outside, and then by a question of
 * our own with nothing in it but the name. Addresses of the floor are left out of the answer.
 */
export async function answer(
  message: Buffer,
  { traffic, outside, mostBytes }: { traffic: Traffic | undefined; outside: Outside; mostBytes: number },
): Promise<Buffer | undefined> {
  const query = read(message)
  if (!query || query.type === 'response') return undefined
  const question = query.questions?.[0]
  if (query.opcode !== 'QUERY' || query.questions?.length !== 1 || question?.class !== 'IN')
    return reply(query, codes.notImplemented, [], mostBytes)
  const name = plainName(question.name)
  if (!traffic || !name || !decideQuestion(traffic.rules, name)) {
    traffic?.asked((name ?? question.name).slice(0, 253), name ? 'not allowed' : 'no name of a host')
    return reply(query, codes.refused, [], mostBytes)
  }
  if (traffic.asking >= mostAsking) return reply(query, codes.server, [], mostBytes)
  traffic.asking++
  try {
    const { code, answers, reason } = await find(traffic, { name, asked: question.name, type: question.type }, outside)
    traffic.asked(name, reason)
    // A name that has been forbidden meanwhile is none any more.
    if (!decideQuestion(traffic.rules, name)) return reply(query, codes.refused, [], mostBytes)
    return reply(query, code, answers, mostBytes)
  } finally {
    traffic.asking--
  }
}

interface Finding {
  code: number
  answers: Answer[]
  /** Why there is no answer, where that is our doing. */
  reason?: string
}

async function find(
  traffic: Traffic,
  { name, asked, type }: { name: string; asked: string; type: string },
  { names, opened }: Outside,
): Promise<Finding> {
  // There is no IPv6 inside, so that nobody waits for it.
  if (type === 'AAAA') return { code: codes.none, answers: [] }
  if (type !== 'A' && !(traffic.rules.internet && furtherTypes.includes(type)))
    return { code: codes.refused, answers: [], reason: `no answers of type ${type}` }
  if (name === demo.name) {
    const here: Answer = { type: 'A', name: asked, class: 'IN', ttl: 60, data: formatAddress(demo.address) }
    return { code: codes.none, answers: type === 'A' ? [here] : [] }
  }
  try {
    if (type !== 'A') {
      const found = [await names.ask(name, type)].flat()
      return { code: codes.none, answers: found.map((value) => recordOf(type, asked, value)) }
    }
    const found = await names.addressesOf(name)
    const open = found.filter(({ address }) => closedBecause(address, opened) === undefined)
    if (open.length === 0 && found.length > 0) {
      const [{ address }] = found as [Found]
      const reason = `its address ${formatAddress(address)} ${closedBecause(address, opened)}`
      return { code: codes.refused, answers: [], reason }
    }
    for (const { address, ttl } of open) traffic.pin(address, name, ttl)
    const answers = open.map(({ address, ttl }): Answer => {
      return { type: 'A', name: asked, class: 'IN', ttl, data: formatAddress(address) }
    })
    return { code: codes.none, answers }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND') return { code: codes.noName, answers: [] }
    return { code: code === 'ENODATA' ? codes.none : codes.server, answers: [] }
  }
}

/** What node:dns found, as dns-packet writes it. */
function recordOf(type: string, name: string, value: unknown): Answer {
  const found = value as Record<string, string & number>
  const data: Record<string, () => unknown> = {
    MX: () => ({ preference: found.priority, exchange: found.exchange }),
    SRV: () => ({ priority: found.priority, weight: found.weight, port: found.port, target: found.name }),
    CAA: () => {
      const tag = ['issue', 'issuewild', 'iodef'].find((key) => key in found) ?? 'issue'
      return { flags: found.critical ? 128 : 0, tag, value: found[tag] ?? '' }
    },
    SOA: () => ({
      ...{ mname: found.nsname, rname: found.hostmaster, serial: found.serial, refresh: found.refresh },
      ...{ retry: found.retry, expire: found.expire, minimum: found.minttl },
    }),
  }
  return { type, name, class: 'IN', ttl: 60, data: data[type]?.() ?? value } as Answer
}

function read(message: Buffer): (Packet & { opcode: string }) | undefined {
  try {
    return decode(message) as unknown as Packet & { opcode: string }
  } catch {
    return undefined
  }
}

/** Cut short where it does not fit: then it is asked for again by TCP. */
function reply(query: Packet, code: number, answers: Answer[], mostBytes: number): Buffer {
  const make = (given: Answer[], truncated: number) =>
    encode({
      type: 'response',
      id: query.id ?? 0,
      flags: ((query.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE | truncated | code,
      questions: query.questions ?? [],
      answers: given,
    })
  const whole = make(answers, 0)
  return whole.length <= mostBytes ? whole : make([], TRUNCATED_RESPONSE)
}
