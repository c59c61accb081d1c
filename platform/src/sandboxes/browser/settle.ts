import { asAnswer, asText } from '../../engine/guest/browser/devtools.ts'
import { Page } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'
import type { PageState } from './browser.ts'
import type { WithPage } from './with-page.ts'

/** Whether something leads to another page shows within this time, milliseconds. */
const quietMs = 200

/** What the page in front loads, as it tells it. Listens from its making on, until `end`. */
export class Loading {
  readonly #page: Page
  readonly #frameId: string
  readonly #ends: (() => void)[] = []
  #status: number | undefined
  #isLoading = false
  #changed = Promise.withResolvers<void>()

  static async of(page: Page): Promise<Loading> {
    const [{ frameId }] = await Promise.all([page.document(), page.call('Network.enable')])
    return new Loading(page, frameId)
  }

  private constructor(page: Page, frameId: string) {
    this.#page = page
    this.#frameId = frameId
    const loads = (isLoading: boolean) => (params: { frameId?: unknown }) => {
      if (params.frameId !== this.#frameId) return
      this.#isLoading = isLoading
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    }
    this.#ends.push(
      page.on('Page.frameRequestedNavigation', loads(true)),
      page.on('Page.frameStartedNavigating', loads(true)),
      page.on('Page.frameStartedLoading', loads(true)),
      page.on('Page.frameStoppedLoading', loads(false)),
      page.on('Network.responseReceived', ({ type, frameId, response }) => {
        if (type !== 'Document' || frameId !== this.#frameId) return
        const { status } = (response ?? {}) as { status?: unknown }
        this.#status = Number.isInteger(status) && (status as number) > 0 ? (status as number) : undefined
      }),
    )
  }

  get status(): number | undefined {
    return this.#status
  }

  /** Whether it loads, now or a moment later. */
  async begins(): Promise<boolean> {
    if (!this.#isLoading) await this.#changeWithin(quietMs)
    return this.#isLoading
  }

  /** Whether it has stopped loading before `deadline`. */
  async stops(deadline: number): Promise<boolean> {
    while (this.#isLoading) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) return false
      await this.#changeWithin(leftMs)
    }
    return true
  }

  end(): void {
    for (const end of this.#ends) end()
  }

  async #changeWithin(ms: number): Promise<void> {
    const timer = Promise.withResolvers<void>()
    const late = setTimeout(timer.resolve, ms)
    try {
      await this.#page.orEnded(Promise.race([this.#changed.promise, timer.promise]))
    } finally {
      clearTimeout(late)
    }
  }
}

/** Does `act`, waits for the page it leads to, and says where the browser is then. That may be a page that was opened by it. */
export async function settled({ devTools, page, patienceMs }: WithPage, act: () => Promise<void>): Promise<PageState> {
  const deadline = performance.now() + patienceMs
  const loading = await Loading.of(page)
  try {
    await act()
    const loaded = !(await loading.begins()) || (await loading.stops(deadline))
    const status = loading.status
    const front = await Page.current(devTools, page)
    if (front === page) return { ...(await page.at()), ...(status ? { status } : {}), loaded, dialogs: page.dialogs }
    const isReady = await readyBy(front, deadline)
    return { ...(await front.at()), loaded: isReady, dialogs: [...page.dialogs, ...front.dialogs] }
  } finally {
    loading.end()
  }
}

/** Opens `url`, and waits until all of it has come. Rejects where nothing came at all. */
export async function navigated({ page, patienceMs }: WithPage, method: string, params: object): Promise<PageState> {
  const deadline = performance.now() + patienceMs
  const loading = await Loading.of(page)
  const late = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => late.resolve('late'), patienceMs)
  try {
    const answer = page.call(method, params)
    answer.catch(() => {})
    const came = await Promise.race([answer, late.promise])
    if (came === 'late') {
      await page.call('Page.stopLoading')
      throw nothingCame(patienceMs)
    }
    if (came.errorText) throw notReached(asText(came.errorText, 200), came.isDownload === true)
    const loaded = !(await loading.begins()) || (await loading.stops(deadline))
    const { status } = loading
    return { ...(await page.at()), ...(status ? { status } : {}), loaded, dialogs: page.dialogs }
  } finally {
    clearTimeout(timer)
    loading.end()
  }
}

/** Whether all of a page that was just opened came before `deadline`. One that stays empty for a while is meant to be. */
async function readyBy(page: Page, deadline: number): Promise<boolean> {
  const expression = `new Promise((ready) => {
    let looks = 0
    const isThere = () => document.readyState === 'complete' && (location.href !== 'about:blank' || ++looks > 100)
    const look = () => (isThere() ? ready(true) : setTimeout(look, 20))
    look()
  })`
  const timer = Promise.withResolvers<false>()
  const late = setTimeout(() => timer.resolve(false), Math.max(0, deadline - performance.now()))
  const look = async (): Promise<boolean> => {
    const { result } = await page.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    return asAnswer(result).value === true
  }
  // Its document was another one before the answer: what comes instead is looked at.
  const looked = () =>
    look().catch((error) => (error instanceof WarrenError && error.code === 'conflict' ? false : Promise.reject(error)))
  try {
    while (performance.now() < deadline) {
      const isReady = looked()
      isReady.catch(() => {})
      if (await Promise.race([isReady, timer.promise])) return true
    }
    return false
  } finally {
    clearTimeout(late)
  }
}

function nothingCame(patienceMs: number): WarrenError {
  return new WarrenError('timeout', `nothing of the page came within ${patienceMs / 1000} s`, {
    hint: 'Ask for a longer "timeout", or see with curl whether its server answers.',
  })
}

function notReached(errorText: string, isDownload: boolean): WarrenError {
  if (isDownload || errorText === 'net::ERR_ABORTED')
    return new WarrenError('conflict', 'this is no page but a file to keep, or an answer without one', {
      hint: 'Fetch it with curl in the sandbox.',
      details: { reason: 'no_page' },
    })
  return new WarrenError('unavailable', `the page cannot be reached: ${errorText}`, {
    hint: 'See that the name is right, and that the network of the sandbox allows it.',
    details: { reason: 'not_reached', error: errorText },
  })
}
