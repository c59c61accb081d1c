import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { OpenUrl, PageState } from './browser.ts'
import { navigated } from './settle.ts'
import { withPage } from './with-page.ts'

/** Opens a page in the sandbox's browser and waits until all of it has come. */
export function openUrl(deps: SandboxDeps, subject: Subject, input: OpenUrl, signal: AbortSignal): Promise<PageState> {
  return withPage(deps, subject, { timeout: input.timeout, fresh: true, signal }, (at) =>
    navigated(at, 'Page.navigate', { url: input.url }),
  )
}
