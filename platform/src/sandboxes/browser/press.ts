import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { PageState, PressKey } from './browser.ts'
import { pressOn } from './key.ts'
import { settled } from './settle.ts'
import { withPage } from './with-page.ts'

/** Presses a key where the page has its focus, and waits for the page that this leads to. */
export function pressKey(
  deps: SandboxDeps,
  subject: Subject,
  { key, timeout }: PressKey,
  signal: AbortSignal,
): Promise<PageState> {
  return withPage(deps, subject, { timeout, signal }, (at) => settled(at, () => pressOn(at.page, key)))
}
