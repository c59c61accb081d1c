import type { Message } from '../../models/message.ts'
import { textOf } from '../../models/message.ts'

/** A token for this many characters, where nobody has counted; a Chinese, Japanese or Korean one counts as three. */
export const charsPerToken = 4

/** What vendors take for an image is up to its size: about so much for the largest that they see whole. */
const imageTokens = 1600

const known = new WeakMap<readonly Message[], { counted: number; chars: number }>()

/** What the messages of a conversation take, by their length; as it grows each is looked at once. */
export function tokensOf(messages: readonly Message[]): number {
  const before = known.get(messages)
  const length = before && before.counted <= messages.length ? before : { counted: 0, chars: 0 }
  while (length.counted < messages.length) length.chars += weightOf(messages[length.counted++]!)
  if (length !== before) known.set(messages, length)
  return Math.ceil(length.chars / charsPerToken)
}

/** What a text takes. */
export function tokensOfText(text: string): number {
  return Math.ceil(charsOf(text) / charsPerToken)
}

function weightOf(message: Message): number {
  const text = message.role === 'assistant' ? JSON.stringify(message.content) : textOf(message)
  let chars = charsOf(text)
  for (const { type } of message.content) if (type === 'image') chars += imageTokens * charsPerToken
  return chars
}

function charsOf(text: string): number {
  let weight = text.length
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) >= 0x2e80) weight += 2
  return weight
}
