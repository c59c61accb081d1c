/**
 * Calls of tools that run now. A client that gives one up says so in a request of its own, which knows nothing but the session
 * and the number that the client gave the call.
 */
export class CallsUnderWay {
  readonly #calls = new Map<string, Map<string, AbortController>>()

  /** Until `end` is called, the call can be given up by its number. */
  begin(session: string, id: unknown): { signal: AbortSignal; end: () => void } {
    const ofSession = this.#calls.get(session) ?? new Map<string, AbortController>()
    const controller = new AbortController()
    const number = JSON.stringify(id)
    ofSession.set(number, controller)
    this.#calls.set(session, ofSession)
    const end = () => {
      if (ofSession.get(number) === controller) ofSession.delete(number)
      if (ofSession.size === 0 && this.#calls.get(session) === ofSession) this.#calls.delete(session)
    }
    return { signal: controller.signal, end }
  }

  cancel(session: string, id: unknown): void {
    this.#calls.get(session)?.get(JSON.stringify(id))?.abort(new Error('the client gave the call up'))
  }

  cancelAll(session: string): void {
    for (const controller of this.#calls.get(session)?.values() ?? [])
      controller.abort(new Error('the client ended the session'))
  }
}
