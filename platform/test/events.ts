/** Reads server-sent events: their name and their data. */
export async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: Record<string, unknown> }> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const bytes of response.body!) {
    rest += decoder.decode(bytes, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1]
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (event && data) yield { event, data: JSON.parse(data) }
    }
  }
}

/** All events until the end of the stream. */
export async function allEvents(response: Response): Promise<{ event: string; data: Record<string, unknown> }[]> {
  const events = []
  for await (const event of eventsOf(response)) events.push(event)
  return events
}
