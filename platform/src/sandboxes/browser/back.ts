import { asAnswer, asNumber } from '../../engine/guest/browser/devtools.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { GoBack, PageState } from './browser.ts'
import { settled } from './settle.ts'
import { withPage } from './with-page.ts'

/** Goes back to the page before. Rejects `conflict` where there is none. */
export function goBack(deps: SandboxDeps, subject: Subject, input: GoBack, signal: AbortSignal): Promise<PageState> {
  return withPage(deps, subject, { timeout: input.timeout, signal }, (at) =>
    settled(at, async () => {
      const { currentIndex, entries } = await at.page.call('Page.getNavigationHistory')
      const before = Array.isArray(entries) ? entries[asNumber(currentIndex) - 1] : undefined
      if (before === undefined) throw new WarrenError('conflict', 'there is no page before this one')
      await at.page.call('Page.navigateToHistoryEntry', { entryId: asNumber(asAnswer(before).id) })
    }),
  )
}
