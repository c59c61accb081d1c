import { type Message, type ToolMessage, toolCallsOf } from '../message.ts'

/**
 * The same history, in which each tool call has exactly one result, right after the message that called, in the order of
 * the calls. Every vendor refuses anything else for ever. A call without a result gets one that says so; a result without a
 * call becomes words of the user.
 */
export function pairToolResults(messages: Message[]): Message[] {
  const paired: Message[] = []
  const used = new Set<Message>()
  for (const [index, message] of messages.entries()) {
    if (used.has(message)) continue
    if (message.role === 'tool') paired.push(orphan(message))
    else paired.push(message)
    if (message.role !== 'assistant') continue
    // Ids may come again later: a result belongs to the nearest call before it.
    const end = messages.findIndex((later, at) => at > index && later.role === 'assistant')
    const candidates = messages.slice(index + 1, end < 0 ? undefined : end)
    for (const { id } of toolCallsOf(message)) {
      const results = candidates.filter((one) => one.role === 'tool' && one.callId === id)
      for (const result of results) used.add(result)
      paired.push(results[0] ?? missing(id))
    }
  }
  return paired
}

function missing(callId: string): ToolMessage {
  const text = 'There is no result: the call was interrupted, and it is not known what it did.'
  return { role: 'tool', callId, content: [{ type: 'text', text }], isError: true }
}

function orphan({ content }: ToolMessage): Message {
  return { role: 'user', content: [{ type: 'text', text: 'The result of an earlier tool call:' }, ...content] }
}
