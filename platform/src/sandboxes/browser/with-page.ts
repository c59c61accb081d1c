import type { DevTools } from '../../engine/guest/browser/devtools.ts'
import { Page } from '../../engine/guest/browser/page.ts'
import { reachBrowser } from '../../engine/guest/browser/running-browser.ts'
import type { Instance } from '../../engine/instance.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import { usualTimeoutSeconds } from './browser.ts'

/** What Chromium takes with an empty page is some 430 MiB and 80 threads under gVisor: less than this ends in a page that breaks. */
const least = { memoryMb: 640, maxProcesses: 160 }

/** What is to be asked before and after the page has come has this much more, milliseconds. */
const graceMs = 15_000

/** What is to be done with the page in front. */
export interface WithPage {
  devTools: DevTools
  page: Page
  /** How long to wait for the page, milliseconds. */
  patienceMs: number
}

/**
 * Does `act` with the page in front of the sandbox's browser, over a connection of its own. A browser that is not there is started;
 * `fresh` replaces a page that does not answer.
 */
export async function withPage<T>(
  deps: SandboxDeps,
  { account, id }: Subject,
  { timeout = usualTimeoutSeconds, fresh, signal }: { timeout?: number | undefined; fresh?: true; signal: AbortSignal },
  act: (at: WithPage) => Promise<T>,
): Promise<T> {
  const instance = await wokenInstance(deps, account, id)
  requireRoom(instance)
  const patienceMs = timeout * 1000
  const devTools = await reachBrowser(instance.guest, signal)
  try {
    devTools.endAfter(patienceMs + graceMs)
    const page = await (fresh ? Page.lively(devTools) : Page.current(devTools))
    return await act({ devTools, page, patienceMs })
  } finally {
    devTools.close()
  }
}

function requireRoom({ limits }: Instance): void {
  for (const name of ['memoryMb', 'maxProcesses'] as const) {
    if (limits[name] >= least[name]) continue
    throw new WarrenError(
      'conflict',
      `a browser needs a sandbox with ${name} of at least ${least[name]}; this one has ${limits[name]}`,
      {
        hint: 'Create it with "limits": {"memoryMb": 1024, "maxProcesses": 512}.',
        details: { reason: 'too_little_room', limit: name, least: least[name] },
      },
    )
  }
}
