import { type Static, Type } from 'typebox'
import type { Dialog } from '../../engine/guest/browser/page.ts'
import { plainText } from '../sandbox.ts'

/** Of a call that does not say, seconds. */
export const usualTimeoutSeconds = 30

const timeout = Type.Optional(
  Type.Number({
    exclusiveMinimum: 0,
    maximum: 300,
    default: usualTimeoutSeconds,
    description: 'Seconds to wait for the page.',
  }),
)

const ref = Type.String({
  pattern: '^[0-9a-z]{1,4}-\\d{1,10}$',
  description: 'Of an element, as the last snapshot says it. It is good until the page is another.',
})

const strict = { additionalProperties: false }

export const OpenUrl = Type.Object(
  {
    url: Type.String({
      ...plainText,
      maxLength: 65_536,
      pattern: '^(https?|file|data|about):',
      description: 'http:, https:, file: of the sandbox, data: or about:blank.',
    }),
    timeout,
  },
  { $id: 'OpenUrl', ...strict },
)
export type OpenUrl = Static<typeof OpenUrl>

export const TakeSnapshot = Type.Object(
  {
    maxCharacters: Type.Optional(
      Type.Integer({ minimum: 500, maximum: 200_000, default: 20_000, description: 'Of the text.' }),
    ),
    timeout,
  },
  { $id: 'TakeSnapshot', ...strict },
)
export type TakeSnapshot = Static<typeof TakeSnapshot>

export const ClickElement = Type.Object({ ref, timeout }, { $id: 'ClickElement', ...strict })
export type ClickElement = Static<typeof ClickElement>

export const TypeText = Type.Object(
  {
    ref,
    text: Type.String({
      maxLength: 100_000,
      description: 'Instead of what is there. Of a list to choose from, the option; of a date, as in 2026-01-31.',
    }),
    submit: Type.Optional(Type.Boolean({ description: 'Press Enter afterwards.' })),
    timeout,
  },
  { $id: 'TypeText', ...strict },
)
export type TypeText = Static<typeof TypeText>

export const PressKey = Type.Object(
  {
    key: Type.String({
      minLength: 1,
      maxLength: 64,
      ...plainText,
      description: 'A character, or a key such as Enter, Escape, PageDown; with modifiers as in Control+a.',
    }),
    timeout,
  },
  { $id: 'PressKey', ...strict },
)
export type PressKey = Static<typeof PressKey>

export const EvaluateInPage = Type.Object(
  {
    expression: Type.String({
      minLength: 1,
      maxLength: 1_000_000,
      description: 'JavaScript, run in the page. A promise is waited for.',
    }),
    timeout,
  },
  { $id: 'EvaluateInPage', ...strict },
)
export type EvaluateInPage = Static<typeof EvaluateInPage>

export const GoBack = Type.Object({ timeout }, { $id: 'GoBack', ...strict })
export type GoBack = Static<typeof GoBack>

export const TakeScreenshot = Type.Object(
  {
    fullPage: Type.Optional(
      Type.Boolean({ description: 'All of the page, down to 10,000 pixels; else what is in view.' }),
    ),
    format: Type.Optional(Type.Enum(['png', 'jpeg'], { default: 'png' })),
    timeout,
  },
  strict,
)
export type TakeScreenshot = Static<typeof TakeScreenshot>

/** Where the browser is after something was done. */
export interface PageState {
  url: string
  title: string
  /** Of the answer the page came with, where one came. */
  status?: number
  /** False where the page, or something in it, had not come when the time was over. */
  loaded: boolean
  /** Windows such as `alert` that came up meanwhile. They were answered: alerts with yes, all else with no. */
  dialogs: Dialog[]
}

export interface PageElement {
  ref: string
  role: string
  name: string
  /** What it holds; of a password, nothing. */
  value?: string
  checked?: boolean
  disabled?: boolean
  /** Where a link leads. */
  url?: string
}

/** A page as text. */
export interface PageSnapshot {
  url: string
  title: string
  /** What can be read, with what can be clicked and typed into as `[ref role]` before its name. */
  text: string
  elements: PageElement[]
  /** There is more than this. */
  truncated: boolean
}

export interface Evaluated {
  /** What it came to, as far as JSON has it. */
  value?: unknown
  /** Such as `object`, `undefined`, `function`. */
  type: string
  /** It threw. */
  error?: string
}
