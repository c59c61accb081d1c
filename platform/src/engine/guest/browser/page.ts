import { WarrenError } from '../../../errors.ts'
import { type Answer, asAnswer, asNumber, asText, type DevTools } from './devtools.ts'

/** A window that the page has opened, such as `alert`, which nobody but us can answer. */
export interface Dialog {
  type: string
  message: string
}

const mostDialogs = 20
/** What a page that is well answers within, milliseconds. */
const livelyMs = 5000
const titleMs = 1000

/** A page of a browser, as one connection sees it. */
export class Page {
  readonly targetId: string
  readonly #devTools: DevTools
  readonly #session: string
  /** In their order; further ones are answered too. */
  readonly dialogs: Dialog[] = []

  private constructor(devTools: DevTools, targetId: string, session: string) {
    this.#devTools = devTools
    this.targetId = targetId
    this.#session = session
  }

  /**
   * The page in front: of those that others have opened, the last in that line; when it is closed, the one that opened it is in
   * front again. A browser without a page gets an empty one. Answers with `known` where that is it.
   */
  static async current(devTools: DevTools, known?: Page): Promise<Page> {
    const targetId = (await frontOf(devTools)) ?? (await newTarget(devTools))
    return known?.targetId === targetId ? known : Page.#attach(devTools, targetId)
  }

  /** As `current`; one whose script never ends is replaced by an empty one. */
  static async lively(devTools: DevTools): Promise<Page> {
    const targetId = await frontOf(devTools)
    if (targetId === undefined) return Page.current(devTools)
    const timer = Promise.withResolvers<undefined>()
    const late = setTimeout(() => timer.resolve(undefined), livelyMs)
    try {
      const page = Page.#attach(devTools, targetId).then(async (page) => {
        await page.call('Runtime.evaluate', { expression: '1' })
        return page
      })
      page.catch(() => {})
      const well = await Promise.race([page, timer.promise])
      if (well) return well
    } finally {
      clearTimeout(late)
    }
    const fresh = await newTarget(devTools)
    devTools.call('Target.closeTarget', { targetId }).catch(() => {})
    return Page.#attach(devTools, fresh)
  }

  static async #attach(devTools: DevTools, targetId: string): Promise<Page> {
    const { sessionId } = await devTools.call('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page(devTools, targetId, asText(sessionId, 100))
    page.on('Page.javascriptDialogOpening', ({ type, message }) => {
      if (page.dialogs.length < mostDialogs)
        page.dialogs.push({ type: asText(type, 40), message: asText(message, 500) })
      // Who navigates away has decided to; anything else is declined.
      page.call('Page.handleJavaScriptDialog', { accept: type === 'beforeunload' || type === 'alert' }).catch(() => {})
    })
    await page.call('Page.enable')
    return page
  }

  call(method: string, params: object = {}): Promise<Answer> {
    return this.#devTools.call(method, params, this.#session)
  }

  on(event: string, listener: (params: Answer) => void): () => void {
    return this.#devTools.on(event, (params, session) => session === this.#session && listener(params))
  }

  orEnded<T>(promise: Promise<T>): Promise<T> {
    return this.#devTools.orEnded(promise)
  }

  async at(): Promise<{ url: string; title: string }> {
    const { targetInfo } = await this.#devTools.call('Target.getTargetInfo', { targetId: this.targetId })
    const { url, title } = asAnswer(targetInfo)
    return { url: asText(url, 4096), title: (await this.#title()) ?? asText(title, 300) }
  }

  /** As the page has it now, which the browser hears of a little later; undefined where it says nothing for a while. */
  async #title(): Promise<string | undefined> {
    const timer = Promise.withResolvers<undefined>()
    const late = setTimeout(() => timer.resolve(undefined), titleMs)
    try {
      const said = this.call('Runtime.evaluate', { expression: 'document.title' })
      said.catch(() => {})
      const answer = await Promise.race([said, timer.promise])
      const { type, value } = asAnswer(answer?.result)
      return type === 'string' ? asText(value, 300) : undefined
    } catch (error) {
      // On its way to another document, it has none to ask.
      if (error instanceof WarrenError && error.code === 'conflict') return undefined
      throw error
    } finally {
      clearTimeout(late)
    }
  }

  /** Its document and the frame it is in. A document has a loader of its own, by which two of them are told apart. */
  async document(): Promise<{ frameId: string; loaderId: string }> {
    const frame = asAnswer(asAnswer((await this.call('Page.getFrameTree')).frameTree).frame)
    return { frameId: asText(frame.id, 100), loaderId: asText(frame.loaderId, 100) }
  }

  /** Calls a function with an object of the page as `this`. What it throws is a `conflict`. */
  async callOn(objectId: string, declaration: string, args: readonly unknown[] = []): Promise<unknown> {
    const { result, exceptionDetails } = await this.call('Runtime.callFunctionOn', {
      objectId,
      functionDeclaration: declaration,
      arguments: args.map((value) => ({ value })),
      returnByValue: true,
    })
    if (exceptionDetails) throw new WarrenError('conflict', `the page does not let it: ${thrownIn(exceptionDetails)}`)
    return asAnswer(result).value
  }

  /** A JavaScript world of our own in its document: what the page has changed in its own does not reach there. */
  async ownWorld(): Promise<number> {
    const { frameId } = await this.document()
    const { executionContextId } = await this.call('Page.createIsolatedWorld', { frameId, worldName: 'warren' })
    return asNumber(executionContextId)
  }
}

/** The words of something that was thrown in a page. */
export function thrownIn(exceptionDetails: unknown): string {
  const { exception, text } = asAnswer(exceptionDetails)
  const { description, value } = asAnswer(exception)
  return (
    asText(description) || asText(value) || (value === undefined ? '' : String(value)) || asText(text) || 'an error'
  )
}

async function frontOf(devTools: DevTools): Promise<string | undefined> {
  const { targetInfos } = await devTools.call('Target.getTargets')
  const all = Array.isArray(targetInfos) ? targetInfos.map(asAnswer) : []
  const pages = all.filter(({ type, url }) => type === 'page' && !asText(url).startsWith('devtools:'))
  const openers = new Set(pages.map(({ openerId }) => openerId))
  const front = pages.find(({ targetId, openerId }) => openerId && !openers.has(targetId)) ?? pages[0]
  return front && asText(front.targetId, 100)
}

async function newTarget(devTools: DevTools): Promise<string> {
  return asText((await devTools.call('Target.createTarget', { url: 'about:blank' })).targetId, 100)
}
