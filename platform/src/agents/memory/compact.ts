import type { Message, ToolMessage } from '../../models/message.ts'
import { textOf, toolCallsOf } from '../../models/message.ts'
import { oneLine } from '../one-line.ts'
import { charsPerToken, tokensOf } from './count-tokens.ts'

/** Messages `from` up to `to`, without that one, become these. */
export interface Compaction {
  from: number
  to: number
  messages: Message[]
}

/** Of what a conversation may take: what it takes when it is made shorter, what is aimed at, and what its newest part keeps. */
const fullAt = 0.8
const aimedAt = 0.6
const newestPart = 0.35
const accountPart = 0.15
/** What is not shorter by this is not worth another beginning of the cache. */
const worthIt = 0.9
const shortResultChars = 400
/** What came since the last account must take so much before a model is asked about it: it is asked again only for as much again. */
const worthAsking = 0.2
/** What a conversation's own account of itself begins with. */
export const accountBegins = 'What was said and done before, in short; the oldest first:'

/**
 * How a conversation is made shorter; undefined while it need not be, or cannot. First long results of its older part lose their
 * middle; if that does not do, the older part becomes one account of itself, `summary` or else a line for each call; last, the
 * results of the newest part are cut to what there is room for. What it begins with stays to the byte, and a call stays with its
 * results. What it answers is always shorter, by a tenth at least.
 */
export function compact(messages: readonly Message[], limitTokens: number, summary?: string): Compaction | undefined {
  const parts = partsOf(messages, limitTokens)
  if (!parts) return undefined
  const { before, from, newest, older, tail, shortened, size, aim } = parts
  if (parts.doShortened) return { from, to: newest, messages: shortened }

  const most = accountRoom(limitTokens)
  const account =
    older.length === 0 ? [] : [summary === undefined ? accountOf(older, most) : accountBy(summary.trim(), most)]
  if (size([...account, ...tail]) <= aim) return { from, to: newest, messages: account }

  const results = tail.filter(({ role }) => role === 'tool').length
  const room = Math.max(0, aim - size(account)) * charsPerToken
  const each = Math.max(shortResultChars, Math.floor(room / 2 / Math.max(1, results)))
  const cut = tail.map((message) => (message.role === 'tool' ? shorter(message, each) : message))
  const whole = [...account, ...cut]
  return size(whole) <= worthIt * before ? { from, to: messages.length, messages: whole } : undefined
}

/** The older part of a conversation and where it begins, where it is worth asking a model for an account of it; undefined where nothing of it need go, or less. */
export function toSummarise(
  messages: readonly Message[],
  limitTokens: number,
): { from: number; older: Message[] } | undefined {
  const parts = partsOf(messages, limitTokens)
  if (!parts || parts.doShortened) return undefined
  const fresh = parts.shortened.filter((message) => !isAccount(message))
  return tokensOf(fresh) >= worthAsking * limitTokens ? { from: parts.from, older: parts.older } : undefined
}

/** So many characters an account may have. */
export function accountRoom(limitTokens: number): number {
  return accountPart * limitTokens * charsPerToken
}

/** What is looked at when a conversation is made shorter; undefined while it takes little enough. */
function partsOf(messages: readonly Message[], limitTokens: number) {
  const before = tokensOf(messages)
  if (before <= fullAt * limitTokens) return undefined
  const from = headOf(messages)
  const newest = newestFrom(messages, from, newestPart * limitTokens)
  const size = (changed: readonly Message[]) => tokensOf([...messages.slice(0, from), ...changed])
  const aim = Math.min(aimedAt * limitTokens, worthIt * before)
  const older = messages.slice(from, newest)
  const tail = messages.slice(newest)
  const shortened = older.map((message) => (message.role === 'tool' ? shorter(message, shortResultChars) : message))
  return { before, from, newest, older, tail, shortened, size, aim, doShortened: size([...shortened, ...tail]) <= aim }
}

function isAccount(message: Message): boolean {
  return message.role === 'user' && textOf(message).startsWith(accountBegins)
}

/** The instructions and the task. */
function headOf(messages: readonly Message[]): number {
  const first = messages.findIndex(({ role }) => role !== 'system')
  if (first < 0) return messages.length
  return messages[first]!.role === 'user' ? first + 1 : first
}

/** Where the newest part begins: as much as has room, at the least the last answer with all that came after it. */
function newestFrom(messages: readonly Message[], head: number, room: number): number {
  let start = messages.length
  for (let at = messages.length - 1; at >= head; at--) {
    // The results of a call do not stay without it.
    if (messages[at]!.role === 'tool') continue
    const isLeast = start === messages.length || !messages.slice(start).some(({ role }) => role === 'assistant')
    if (!isLeast && tokensOf(messages.slice(at)) > room) break
    start = at
  }
  return start
}

function shorter(message: ToolMessage, most: number): ToolMessage {
  const seen = withImages(message)
  const text = textOf(message) + seen
  if (text.length <= most) return seen ? { ...message, content: [{ type: 'text', text }] } : message
  // Where the whole of it was kept, it says by which handle it is read.
  const handle = /read_result, handle "[0-9a-f]{64}"/.exec(text)?.[0]
  const note = `\n[… of ${text.length} characters, the middle was left out to save room${handle ? `; ${handle}` : ''} …]\n`
  const kept = Math.max(0, most - note.length)
  const [first, last] = [Math.ceil((2 * kept) / 3), Math.floor(kept / 3)]
  return {
    ...message,
    content: [{ type: 'text', text: whole(text.slice(0, first) + note + text.slice(text.length - last)) }],
  }
}

/** What is said where images were; nothing where there were none. */
export function withImages(message: Message): string {
  const seen = message.content.filter(({ type }) => type === 'image').length
  return seen > 0 ? ` [with ${seen === 1 ? 'an image' : `${seen} images`}, left out to save room]` : ''
}

/** A line for each thing that was said or done, in no more characters than `most`; the oldest give way. */
function accountOf(messages: readonly Message[], most: number): Message {
  const results = new Map(messages.flatMap((message) => (message.role === 'tool' ? [[message.callId, message]] : [])))
  const lines = messages.flatMap((message): string[] => {
    const text = textOf(message)
    if (message.role === 'user')
      return text.startsWith(accountBegins)
        ? text.split('\n').slice(1)
        : [`- said to you: ${oneLine(text, 400)}${withImages(message)}`]
    if (message.role !== 'assistant') return []
    const calls = toolCallsOf(message).map((call) => {
      const result = results.get(call.id)
      const became = result ? `${result.isError ? 'failed: ' : ''}${oneLine(textOf(result), 160)}` : 'no result'
      return `- called ${call.name} ${oneLine(JSON.stringify(call.arguments), 160)} → ${became}`
    })
    return [...(text ? [`- you said: ${oneLine(text, 300)}`] : []), ...calls]
  })
  let room = most - accountBegins.length - 80
  let first = lines.length
  while (first > 0 && room > weight(lines[first - 1]!)) room -= weight(lines[--first]!)
  const leftOut = first > 0 ? [`- (${first} earlier lines were left out)`] : []
  return {
    role: 'user',
    content: [{ type: 'text', text: [accountBegins, ...leftOut, ...lines.slice(first)].join('\n') }],
  }
}

/** One that somebody else has written, cut where there is no room for more of it. */
function accountBy(summary: string, most: number): Message {
  const room = most - accountBegins.length - 2
  let [end, taken] = [0, 0]
  while (end < summary.length && taken < room) taken += summary.charCodeAt(end++) >= 0x2e80 ? 3 : 1
  const text = end < summary.length ? `${whole(summary.slice(0, end - 1))}…` : summary
  return { role: 'user', content: [{ type: 'text', text: `${accountBegins}\n${text}` }] }
}

function weight(text: string): number {
  let chars = text.length + 1
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) >= 0x2e80) chars += 2
  return chars
}

/** No half of a character. */
function whole(text: string): string {
  return text.toWellFormed()
}
