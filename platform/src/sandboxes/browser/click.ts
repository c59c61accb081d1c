import { asNumber, asText } from '../../engine/guest/browser/devtools.ts'
import type { Page } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { ClickElement, PageState } from './browser.ts'
import { elementOf } from './element.ts'
import { settled } from './settle.ts'
import { withPage } from './with-page.ts'

/** Whether the middle of the element is where a click would reach it; else what is wrong. */
const obstacle = `function () {
  if (this.disabled === true) return 'it is disabled'
  this.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' })
  const seen = [...this.getClientRects()].find((one) => one.width > 0 && one.height > 0)
  if (!seen) return 'it is not visible'
  const at = this.getRootNode().elementFromPoint(seen.x + seen.width / 2, seen.y + seen.height / 2)
  if (!at || this.contains(at) || at.contains(this) || [...(this.labels ?? [])].some((one) => one.contains(at))) return ''
  return 'it is covered by <' + at.localName + '> "' + at.textContent.trim().slice(0, 60) + '"'
}`

/** Clicks in the middle of an element, as a mouse does, and waits for the page that this leads to. */
export function clickElement(
  deps: SandboxDeps,
  subject: Subject,
  { ref, timeout }: ClickElement,
  signal: AbortSignal,
): Promise<PageState> {
  return withPage(deps, subject, { timeout, signal }, async (at) => {
    const objectId = await elementOf(at.page, ref)
    const why = asText(await at.page.callOn(objectId, obstacle), 200)
    if (why)
      throw new WarrenError('conflict', `element ${ref} cannot be clicked: ${why}`, { hint: 'Look at a snapshot.' })
    return settled(at, () => clickAt(at.page, objectId))
  })
}

async function clickAt(page: Page, objectId: string): Promise<void> {
  const { quads } = await page.call('DOM.getContentQuads', { objectId })
  const corners = Array.isArray(quads) && Array.isArray(quads[0]) ? quads[0].map(asNumber) : []
  if (corners.length !== 8) throw new WarrenError('conflict', 'the element has no place in the page any more')
  const middle = (axis: 0 | 1) => (corners[axis]! + corners[axis + 4]!) / 2
  const mouse = { x: middle(0), y: middle(1), button: 'left', clickCount: 1 }
  await page.call('Input.dispatchMouseEvent', { ...mouse, type: 'mouseMoved', button: 'none' })
  await page.call('Input.dispatchMouseEvent', { ...mouse, type: 'mousePressed', buttons: 1 })
  await page.call('Input.dispatchMouseEvent', { ...mouse, type: 'mouseReleased' })
}
