import { endBrowser, reachRunning } from '../../engine/guest/browser/running-browser.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'

/** How long it may take to write down what it keeps, milliseconds. */
const closeMs = 5000

/** Closes the browser with all its pages. Cookies and what else is in its profile stay. One that is not there is closed already. */
export async function closeBrowser(deps: SandboxDeps, { account, id }: Subject, signal: AbortSignal): Promise<void> {
  const { guest } = await wokenInstance(deps, account, id)
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(closeMs)])
  const devTools = await reachRunning(guest, inTime)
  if (devTools) {
    const ended = devTools.orEnded(new Promise<never>(() => {})).catch(() => {})
    devTools.call('Browser.close').catch(() => {})
    await ended
    devTools.close()
  }
  await endBrowser(guest)
}
