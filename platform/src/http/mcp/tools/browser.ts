import { type Static, type TSchema, Type } from 'typebox'
import { WarrenError } from '../../../errors.ts'
import {
  ClickElement,
  EvaluateInPage,
  OpenUrl,
  TakeScreenshot,
  TakeSnapshot,
  TypeText,
} from '../../../sandboxes/browser/browser.ts'
import { SandboxId, strict, type Tool, tool } from '../tool.ts'

/** A picture in base64, at most. */
const mostImageBytes = 1024 * 1024

const PageState = Type.Object({
  url: Type.String(),
  title: Type.String(),
  status: Type.Optional(Type.Integer({ description: 'Of HTTP.' })),
  loaded: Type.Boolean({ description: 'False where something of it had not come when the time was over.' }),
  dialogs: Type.Array(Type.Object({ type: Type.String(), message: Type.String() }), {
    description: 'Windows such as alert that came up, and were answered: alerts with yes, all else with no.',
  }),
})

const subject = ({ sandbox }: { sandbox: string }) => sandbox
const acts = { permission: 'sandboxes:exec', destroys: true, subject } as const

const open = tool({
  name: 'browser_open',
  title: 'Open a page',
  description:
    'Opens a page in the browser of a sandbox, which is started where none runs, and waits until all of it has come. The sandbox ' +
    'needs Chromium, as of template "browser", 1 GiB of memory and 512 processes, and internet or an allowed name for pages from outside.',
  ...{ ...acts, operation: 'openUrl', audit: 'browser.open' },
  input: withSandbox(OpenUrl),
  output: PageState,
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => ({
    output: await sandboxes.browser.open({ account, id }, input, signal),
  }),
})

const snapshot = tool({
  name: 'browser_snapshot',
  title: 'Read the page',
  description:
    'The page as text. What can be clicked or typed into stands in it as `[ref role] name`: give the ref to browser_click and ' +
    'browser_type. A ref is good until the page is another.',
  ...{ permission: 'sandboxes:exec', subject, operation: 'takeSnapshot', audit: 'browser.snapshot' },
  input: withSandbox(TakeSnapshot),
  output: Type.Object({
    ...{ url: Type.String(), title: Type.String(), text: Type.String() },
    truncated: Type.Boolean({ description: 'There is more; ask for more characters.' }),
  }),
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => {
    const { url, title, text, truncated } = await sandboxes.browser.snapshot({ account, id }, input, signal)
    return { output: { url, title, text, truncated } }
  },
})

const click = tool({
  name: 'browser_click',
  title: 'Click an element',
  description: 'Clicks an element of the last snapshot and waits for the page that this leads to.',
  ...{ ...acts, operation: 'clickElement', audit: 'browser.click' },
  input: withSandbox(ClickElement),
  output: PageState,
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => ({
    output: await sandboxes.browser.click({ account, id }, input, signal),
  }),
})

const type = tool({
  name: 'browser_type',
  title: 'Type into an element',
  description:
    'Types into an element of the last snapshot, instead of what it holds, or chooses from a list. With `submit`, Enter follows.',
  ...{ ...acts, operation: 'typeText', audit: 'browser.type' },
  input: withSandbox(TypeText),
  output: PageState,
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => ({
    output: await sandboxes.browser.type({ account, id }, input, signal),
  }),
})

const screenshot = tool({
  name: 'browser_screenshot',
  title: 'See the page',
  description: 'A picture of what is in view, or with `fullPage` of all the page.',
  ...{ permission: 'sandboxes:exec', subject, operation: 'takeScreenshot', audit: 'browser.screenshot' },
  input: withSandbox(Type.Pick(TakeScreenshot, ['fullPage', 'timeout'])),
  output: Type.Object({ mimeType: Type.String(), bytes: Type.Integer() }),
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => {
    // Where one of them is too large, photographs mostly, the other may not be.
    for (const format of ['png', 'jpeg'] as const) {
      const image = await sandboxes.browser.screenshot({ account, id }, { ...input, format }, signal)
      const data = image.toString('base64')
      if (data.length > mostImageBytes) continue
      const mimeType = `image/${format}`
      return { output: { mimeType, bytes: image.length }, images: [{ type: 'image', data, mimeType }] }
    }
    throw new WarrenError('too_large', 'the picture has over 1 MiB in base64', { hint: 'Leave out "fullPage".' })
  },
})

const evaluate = tool({
  name: 'browser_evaluate',
  title: 'Run JavaScript in the page',
  description: 'What the expression comes to, as JSON; `await` works. What it throws is an answer.',
  ...{ ...acts, operation: 'evaluateInPage', audit: 'browser.evaluate' },
  input: withSandbox(EvaluateInPage),
  output: Type.Object({
    type: Type.String({ description: 'As `typeof` says it.' }),
    value: Type.Optional(Type.Unknown()),
    error: Type.Optional(Type.String({ description: 'It threw this.' })),
  }),
  run: async ({ sandboxes }, { sandbox: id, ...input }, { account, signal }) => ({
    output: { ...(await sandboxes.browser.evaluate({ account, id }, input, signal)) },
  }),
})

const close = tool({
  name: 'browser_close',
  title: 'Close the browser',
  description: 'Ends the browser of a sandbox with all its pages. Cookies stay for the next.',
  ...{ ...acts, operation: 'closeBrowser', audit: 'browser.close' },
  input: Type.Object({ sandbox: SandboxId }, strict),
  output: Type.Object({ closed: Type.Boolean() }),
  run: async ({ sandboxes }, { sandbox: id }, { account, signal }) => {
    await sandboxes.browser.close({ account, id }, signal)
    return { output: { closed: true } }
  },
})

export const browserTools: Tool[] = [open, snapshot, click, type, screenshot, evaluate, close]

/** What the route takes, and which sandbox. */
function withSandbox<T extends TSchema & { properties: object }>({ properties }: T) {
  type Input = Static<T> & { sandbox: string }
  return Type.Unsafe<Input>({ ...Type.Object({ sandbox: SandboxId, ...properties }, strict) })
}
