import type { Transport } from './transport.ts'

/** What every call of a browser may say. */
export interface BrowserOptions {
  /** Seconds to wait for the page; 30 unless said. */
  timeout?: number | undefined
  signal?: AbortSignal | undefined
}

/** Where a browser is. All of it comes from the sandbox. */
export interface PageState {
  url: string
  title: string
  /** Of HTTP, where the page came with one. */
  status?: number
  /** False where something of it had not come when the time was over. */
  loaded: boolean
  /** Windows such as `alert` that came up meanwhile. They were answered: alerts with yes, all else with no. */
  dialogs: { type: string; message: string }[]
}

/** Something in a page that can be clicked or typed into. */
export interface PageElement {
  /** Good until the page is another. */
  ref: string
  role: string
  name: string
  value?: string
  checked?: boolean
  disabled?: boolean
  url?: string
}

/** A page as text. All of it comes from the sandbox. */
export interface PageSnapshot {
  url: string
  title: string
  /** What can be read, with what can be clicked and typed into as `[ref role]` before its name. */
  text: string
  elements: PageElement[]
  truncated: boolean
}

/** What an expression came to. */
export interface Evaluated {
  type: string
  value?: unknown
  /** It threw this. */
  error?: string
}

/** The browser of a sandbox. The first call starts it, and so does the first after it ended. */
export class Browser {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/browser`
  }

  /** Opens a page and waits until all of it has come. */
  open(url: string, options: BrowserOptions = {}): Promise<PageState> {
    return this.#do('open', { url }, options)
  }

  /** The page as text, with what can be clicked and typed into. */
  snapshot({ maxCharacters, ...options }: BrowserOptions & { maxCharacters?: number | undefined } = {}) {
    return this.#do<PageSnapshot>('snapshot', { maxCharacters }, options)
  }

  click(ref: string, options: BrowserOptions = {}): Promise<PageState> {
    return this.#do('click', { ref }, options)
  }

  /** Types instead of what the element holds, or chooses from a list. With `submit`, Enter follows. */
  type(
    ref: string,
    text: string,
    { submit, ...options }: BrowserOptions & { submit?: boolean | undefined } = {},
  ): Promise<PageState> {
    return this.#do('type', { ref, text, submit }, options)
  }

  /** A character or a key such as `Enter`; with modifiers as in `Control+a`. */
  press(key: string, options: BrowserOptions = {}): Promise<PageState> {
    return this.#do('press', { key }, options)
  }

  /** Runs JavaScript in the page. What it throws is an answer. */
  evaluate(expression: string, options: BrowserOptions = {}): Promise<Evaluated> {
    return this.#do('evaluate', { expression }, options)
  }

  back(options: BrowserOptions = {}): Promise<PageState> {
    return this.#do('back', {}, options)
  }

  /** A picture of what is in view, or with `fullPage` of all the page. */
  async screenshot({
    signal,
    ...query
  }: BrowserOptions & {
    fullPage?: boolean | undefined
    format?: 'png' | 'jpeg' | undefined
  } = {}): Promise<Uint8Array> {
    const response = await this.#transport.send('GET', `${this.#path}/screenshot`, { query, signal })
    return new Uint8Array(await response.arrayBuffer())
  }

  /** Ends it with all its pages. Cookies and what else is in its profile stay. */
  close({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.#transport.done('DELETE', this.#path, { signal })
  }

  #do<T>(verb: string, input: object, { timeout, signal }: BrowserOptions): Promise<T> {
    return this.#transport.json('POST', `${this.#path}/${verb}`, { json: { ...input, timeout }, signal })
  }
}
