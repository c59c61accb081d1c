export interface ServerSentEvent {
  event: string
  data: string
}

/** Reads a `text/event-stream` body. Ends with it; cancels it when the reader stops early. */
export async function* readServerSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void> {
  // Streaming mode holds back the bytes of a character that a chunk boundary has cut, and drops the byte order mark.
  const decoder = new TextDecoder()
  const parse = createEventParser()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield* parse(decoder.decode(value, { stream: true }))
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/**
 * Makes a parser that is fed text cut anywhere and answers with the events completed by it. An event that the stream's
 * end cuts off is never answered, as the standard wants.
 */
export function createEventParser(): (text: string) => ServerSentEvent[] {
  let rest = ''
  let afterCarriageReturn = false
  let event = ''
  let data: string[] = []

  return (text) => {
    if (text === '') return []
    const completed: ServerSentEvent[] = []
    const input = rest + (afterCarriageReturn && text.startsWith('\n') ? text.slice(1) : text)
    let start = 0
    for (const { index, 0: end } of input.matchAll(/\r\n|\n|\r/g)) {
      const line = input.slice(start, index)
      start = index + end.length
      if (line !== '') {
        takeField(line)
        continue
      }
      if (data.length > 0) completed.push({ event: event || 'message', data: data.join('\n') })
      event = ''
      data = []
    }
    rest = input.slice(start)
    afterCarriageReturn = text.endsWith('\r')
    return completed
  }

  function takeField(line: string): void {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') event = value
    else if (name === 'data') data.push(value)
  }
}
