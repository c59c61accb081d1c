import { type AssistantMessage, type Message, type ToolMessage, toolCallsOf } from '../message.ts'

/**
 * The same history, in which each tool call has exactly one result, right after the message that called, in the order of
 * the calls. Every vendor refuses anything else for ever. A call without a result gets one that says so; a result without a
 * call becomes words of the user. Each message is looked at once, however long the history is.
 */
export function pairToolResults(messages: readonly Message[]): Message[] {
  const paired: Message[] = []
  let caller: AssistantMessage | undefined
  let after: Exclude<Message, AssistantMessage>[] = []
  const close = () => {
    const open = new Set(caller && toolCallsOf(caller).map(({ id }) => id))
    const results = new Map<string, ToolMessage>()
    for (const message of after)
      if (message.role === 'tool' && open.has(message.callId) && !results.has(message.callId))
        results.set(message.callId, message)
    if (caller) paired.push(caller)
    for (const { id } of caller ? toolCallsOf(caller) : []) paired.push(results.get(id) ?? missing(id))
    for (const message of after) {
      if (message.role !== 'tool') paired.push(message)
      else if (!open.has(message.callId)) paired.push(orphan(message))
    }
  }
  // Ids may come again later: a result belongs to the nearest call before it.
  for (const message of messages) {
    if (message.role !== 'assistant') {
      after.push(message)
      continue
    }
    close()
    caller = message
    after = []
  }
  close()
  return paired
}

function missing(callId: string): ToolMessage {
  const text = 'There is no result: the call was interrupted, and it is not known what it did.'
  return { role: 'tool', callId, content: [{ type: 'text', text }], isError: true }
}

function orphan({ content }: ToolMessage): Message {
  return { role: 'user', content: [{ type: 'text', text: 'The result of an earlier tool call:' }, ...content] }
}
