import type { Page } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'

/** Keys that write nothing, or not what they are called, with the number each has for programs. */
const named: Record<string, { code?: string; number: number; text?: string; key?: string }> = {
  ...{ Enter: { number: 13, text: '\r' }, Tab: { number: 9 }, Escape: { number: 27 }, Backspace: { number: 8 } },
  ...{ Delete: { number: 46 }, Home: { number: 36 }, End: { number: 35 }, PageUp: { number: 33 } },
  ...{ PageDown: { number: 34 }, ArrowLeft: { number: 37 }, ArrowUp: { number: 38 }, ArrowRight: { number: 39 } },
  ...{ ArrowDown: { number: 40 }, Insert: { number: 45 }, Space: { number: 32, text: ' ', key: ' ' } },
  ...Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`F${at + 1}`, { number: 112 + at }])),
}

const modifierBits: Record<string, number> = { Alt: 1, Control: 2, Meta: 4, Shift: 8 }

/** Presses a key and lets go of it. Throws `invalid_request` for one that no keyboard has. */
export async function pressOn(page: Page, asked: string): Promise<void> {
  const parts =
    asked === '+' ? ['+'] : asked.endsWith('++') ? [...asked.slice(0, -2).split('+'), '+'] : asked.split('+')
  const name = parts.pop()!
  const modifiers = parts.reduce((bits, part) => bits | (modifierBits[part] ?? unknown(asked)), 0)
  const known = Object.hasOwn(named, name) ? named[name] : undefined
  if (!known && [...name].length !== 1) unknown(asked)
  const text = known ? known.text : name
  const key = known?.key ?? (known ? name : name)
  const code = known
    ? name
    : /^[a-z]$/i.test(name)
      ? `Key${name.toUpperCase()}`
      : /^\d$/.test(name)
        ? `Digit${name}`
        : ''
  const number = known?.number ?? (/^[a-z0-9]$/i.test(name) ? name.toUpperCase().charCodeAt(0) : 0)
  const writes = text !== undefined && (modifiers & ~modifierBits.Shift!) === 0
  const event = { key, code, modifiers, windowsVirtualKeyCode: number }
  // Without an editor's command, headless browsers do not act on what a keyboard's shortcut means.
  const commands = modifiers === 2 && name === 'a' ? { commands: ['selectAll'] } : {}
  await page.call('Input.dispatchKeyEvent', {
    ...event,
    ...commands,
    ...(writes ? { type: 'keyDown', text } : { type: 'rawKeyDown' }),
  })
  await page.call('Input.dispatchKeyEvent', { ...event, type: 'keyUp' })
}

function unknown(asked: string): never {
  throw new WarrenError('invalid_request', `there is no key "${asked}"`, {
    hint: `A character, or ${Object.keys(named).join(', ')}; before it Control+, Shift+, Alt+ or Meta+.`,
  })
}
