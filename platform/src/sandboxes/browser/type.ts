import { asText } from '../../engine/guest/browser/devtools.ts'
import type { Page } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { PageState, TypeText } from './browser.ts'
import { elementOf } from './element.ts'
import { pressOn } from './key.ts'
import { settled } from './settle.ts'
import { withPage } from './with-page.ts'

/**
 * Makes the element ready to be typed into, with all that it holds selected: `typed`. What is chosen and not typed, options and dates,
 * is set at once: `set`. Else it says why neither can be.
 */
const prepare = `function (text) {
  const told = () => {
    this.dispatchEvent(new Event('input', { bubbles: true }))
    this.dispatchEvent(new Event('change', { bubbles: true }))
    return 'set'
  }
  if (this.disabled === true || this.readOnly === true) return 'it takes no input now'
  this.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' })
  if (this.localName === 'select') {
    const option = [...this.options].find((one) => one.label.trim() === text.trim() || one.value === text)
    if (!option) return 'it has no such option'
    option.selected = true
    return told()
  }
  if (this.localName === 'input') {
    const kind = this.type
    if (['checkbox', 'radio', 'button', 'submit', 'reset', 'image', 'file', 'hidden'].includes(kind)) return 'it is no field for text'
    if (['date', 'time', 'month', 'week', 'datetime-local', 'color', 'range'].includes(kind)) {
      const before = this.value
      const set = (value) => Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(this, value)
      set(text)
      if (this.value === text) return told()
      set(before)
      return 'it takes no such value'
    }
  } else if (this.localName !== 'textarea' && !this.isContentEditable) return 'it is no field for text'
  this.focus()
  if (this.select) this.select()
  else getSelection().selectAllChildren(this)
  return 'typed'
}`

/** Types into an element, instead of what it holds. With `submit`, Enter follows, and the page that this leads to is waited for. */
export function typeText(
  deps: SandboxDeps,
  subject: Subject,
  { ref, text, submit, timeout }: TypeText,
  signal: AbortSignal,
): Promise<PageState> {
  return withPage(deps, subject, { timeout, signal }, async (at) => {
    const objectId = await elementOf(at.page, ref)
    return settled(at, async () => {
      const way = asText(await at.page.callOn(objectId, prepare, [text]), 100)
      if (way === 'typed') await insert(at.page, text)
      else if (way !== 'set') throw new WarrenError('conflict', `element ${ref} cannot be typed into: ${way}`)
      if (submit) await pressOn(at.page, 'Enter')
    })
  })
}

async function insert(page: Page, text: string): Promise<void> {
  if (text === '') await pressOn(page, 'Backspace')
  else await page.call('Input.insertText', { text })
}
