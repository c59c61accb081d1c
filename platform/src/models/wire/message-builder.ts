import type { Api, AssistantMessage, AssistantPart, Extra, StopReason, Usage, VendorPart } from '../message.ts'
import type { ModelEvent, ModelFailure, Outcome } from '../model.ts'
import { type JsonObject, present } from './json.ts'
import { readToolArguments } from './tool-arguments.ts'

interface Draft {
  type: AssistantPart['type']
  index: number
  text: string
  id?: string
  name?: string
  /** The end of `text` that was not told as an event. Cut from it, it would have the whole copied for each piece. */
  untold: string
  announced?: boolean
  signature?: string
  encrypted?: boolean
  extra?: Extra
  value?: JsonObject
  image?: { data?: string; mediaType?: string; url?: string }
}

/**
 * Collects one answer from pieces in whatever order a vendor sends them. A part is named by a key of the reader's choice
 * and stands where it was first named.
 */
export class MessageBuilder {
  readonly #api: Api
  readonly #newId: () => string
  readonly #drafts = new Map<string, Draft>()
  #events: ModelEvent[] = []
  #origin: AssistantMessage['origin']
  #usage: Partial<Usage> | undefined
  #stopReason: StopReason | undefined
  #failure: ModelFailure | undefined

  constructor(api: Api, { model, newId }: { model?: string; newId: () => string }) {
    this.#api = api
    this.#newId = newId
    this.#origin = { api, ...present({ model }) }
  }

  identify(origin: { model: string | undefined; responseId: string | undefined }): void {
    this.#origin = { ...this.#origin, ...present(origin) }
  }

  text(key: string, piece: string): void {
    this.#append(key, 'text', piece)
  }

  reasoning(key: string, piece: string): void {
    this.#append(key, 'reasoning', piece)
  }

  /** Adds `piece` to the proof of a part of that kind. `encrypted`: it is the reasoning itself. */
  sign(key: string, type: 'text' | 'reasoning' | 'tool_call', piece: string, encrypted = false): void {
    const draft = this.#draft(key, type)
    if (piece !== '') draft.signature = (draft.signature ?? '') + piece
    if (encrypted) draft.encrypted = true
  }

  /** Names a tool call, or tells more about it. An id or a name that is known stays. */
  toolCall(key: string, told: { id?: string | undefined; name?: string | undefined; arguments?: string }): void {
    const draft = this.#draft(key, 'tool_call')
    draft.id ??= told.id
    draft.name ??= told.name
    if (told.arguments) add(draft, told.arguments)
    this.#tell(draft)
  }

  /** Arguments that came whole, after or instead of their pieces. */
  wholeArguments(key: string, text: string): void {
    const draft = this.#draft(key, 'tool_call')
    if (text.startsWith(draft.text)) this.toolCall(key, { arguments: text.slice(draft.text.length) })
    else if (text !== '') Object.assign(draft, { text, untold: '' })
  }

  /** Text that came whole, after or instead of its pieces. */
  whole(key: string, type: 'text' | 'reasoning', text: string): void {
    const told = this.textOf(key)
    if (text.startsWith(told)) this.#append(key, type, text.slice(told.length))
  }

  image(key: string, image: { data?: string; mediaType?: string; url?: string }): void {
    this.#draft(key, 'image').image = image
  }

  vendor(key: string, value: JsonObject): void {
    this.#draft(key, 'vendor').value = value
  }

  /** Fields of a part that only this API knows. */
  keep(key: string, fields: JsonObject | undefined): void {
    const draft = this.#drafts.get(key)
    if (draft && fields) draft.extra = { [this.#api]: { ...draft.extra?.[this.#api], ...fields } }
  }

  /** An id for a call to which its vendor gave none. */
  newId(): string {
    return this.#newId()
  }

  signatureOf(key: string): string | undefined {
    return this.#drafts.get(key)?.signature
  }

  /** What is in the part so far. */
  textOf(key: string): string {
    return this.#drafts.get(key)?.text ?? ''
  }

  idOf(key: string): string | undefined {
    return this.#drafts.get(key)?.id
  }

  nameOf(key: string): string | undefined {
    return this.#drafts.get(key)?.name
  }

  /** Later counts replace earlier ones: every vendor sends running totals. Some end with zeros instead of leaving them out. */
  usage(usage: Partial<Usage>): void {
    const counted = Object.entries(present(usage)).filter(
      ([name, tokens]) => tokens || !this.#usage?.[name as keyof Usage],
    )
    this.#usage = { ...this.#usage, ...Object.fromEntries(counted) }
  }

  stop(reason: StopReason): void {
    this.#stopReason = reason
  }

  get empty(): boolean {
    return this.#drafts.size === 0
  }

  get stopped(): boolean {
    return this.#stopReason !== undefined
  }

  /** The first failure is the one that counts. */
  fail(failure: ModelFailure): void {
    this.#failure ??= failure
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** The events since the last call. */
  takeEvents(): ModelEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  /** The last event, which comes after those of `takeEvents`. Without a reason to stop, and without a failure, the answer was cut off. */
  outcome(): Outcome {
    const message = this.#message()
    const failure = this.#failure ?? this.#problem()
    if (!failure) return { type: 'done', message }
    const hasPartial = message.content.length > 0 || message.usage !== undefined
    return { type: 'failed', failure, ...(hasPartial && { partial: message }) }
  }

  #problem(): ModelFailure | undefined {
    if (this.#stopReason === undefined) return { code: 'network', message: 'the answer ended before it was complete' }
    const nameless = [...this.#drafts.values()].some(({ type, name }) => type === 'tool_call' && !name)
    return nameless ? { code: 'malformed', message: 'the answer has a tool call without a name' } : undefined
  }

  #message(): AssistantMessage {
    for (const draft of this.#drafts.values()) {
      if (draft.type !== 'tool_call' || !draft.name || draft.announced) continue
      this.#announce(draft, draft.name)
      this.#tell(draft)
    }
    const content = [...this.#drafts.values()].flatMap((draft) => this.#part(draft) ?? [])
    const calls = content.some(({ type }) => type === 'tool_call')
    const told = this.#stopReason ?? 'end'
    // Some say "stop" and have calls, some the reverse.
    const stopReason = calls && told === 'end' ? 'tool_calls' : !calls && told === 'tool_calls' ? 'end' : told
    const none = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 }
    return {
      role: 'assistant',
      content,
      stopReason,
      ...(this.#usage && { usage: { ...none, ...this.#usage } }),
      origin: this.#origin,
    }
  }

  #part(draft: Draft): AssistantPart | undefined {
    const { text, signature, encrypted, extra } = draft
    const more = present({ signature, extra })
    switch (draft.type) {
      case 'text':
        return text === '' && !signature ? undefined : { type: 'text', text, ...more }
      case 'reasoning':
        return text === '' && !signature && !extra
          ? undefined
          : { type: 'reasoning', text, ...more, ...present({ encrypted }) }
      case 'image':
        return { type: 'image', ...draft.image, ...more }
      case 'vendor':
        return { type: 'vendor', api: this.#api, value: draft.value ?? {} } satisfies VendorPart
      case 'tool_call': {
        if (!draft.name || !draft.id) return undefined
        return { type: 'tool_call', id: draft.id, name: draft.name, ...readToolArguments(text), ...more }
      }
    }
  }

  #draft(key: string, type: Draft['type']): Draft {
    const found = this.#drafts.get(key)
    if (found) return found
    const draft: Draft = { type, index: this.#drafts.size, text: '', untold: '' }
    this.#drafts.set(key, draft)
    return draft
  }

  #append(key: string, type: 'text' | 'reasoning', piece: string): void {
    // An empty piece, with which some begin, says nothing about the order of the parts.
    if (piece === '') return
    const draft = this.#draft(key, type)
    add(draft, piece)
    this.#tell(draft)
  }

  #tell(draft: Draft): void {
    const { type, index, name } = draft
    if (type === 'tool_call') {
      if (!name) return
      // An id may come after the name.
      if (!draft.announced && !(draft.id && this.#announce(draft, name))) return
    }
    const piece = draft.untold
    draft.untold = ''
    if (piece === '') return
    if (type === 'tool_call') this.#events.push({ type: 'tool_arguments', part: index, text: piece })
    else if (type === 'text' || type === 'reasoning') this.#events.push({ type, part: index, text: piece })
  }

  #announce(draft: Draft, name: string): true {
    // A message in which two calls have one id cannot be answered.
    const taken = [...this.#drafts.values()].some(({ announced, id }) => announced && id === draft.id)
    if (!draft.id || taken) draft.id = this.#newId()
    draft.announced = true
    this.#events.push({ type: 'tool_call', part: draft.index, id: draft.id, name })
    return true
  }
}

function add(draft: Draft, piece: string): void {
  draft.text += piece
  draft.untold += piece
}
