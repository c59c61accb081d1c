import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import {
  ClickElement,
  EvaluateInPage,
  GoBack,
  OpenUrl,
  PressKey,
  TakeScreenshot,
  TakeSnapshot,
  TypeText,
} from '../../sandboxes/browser/browser.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import { json, Nothing, named, problems, SandboxParams } from './schema.ts'

type ById = { Params: Static<typeof SandboxParams> }

const PageStateView = Type.Object(
  {
    url: Type.String(),
    title: Type.String(),
    status: Type.Optional(Type.Integer({ description: 'Of HTTP, where the page came with one.' })),
    loaded: Type.Boolean({ description: 'False where something of it had not come when the time was over.' }),
    dialogs: Type.Array(Type.Object({ type: Type.String(), message: Type.String() }), {
      description:
        'Windows such as `alert` that came up meanwhile. They were answered: alerts with yes, all else with no.',
    }),
  },
  { $id: 'PageState', description: 'Where the browser is. All of it comes from the sandbox.' },
)

const PageElementView = Type.Object(
  {
    ref: Type.String({ description: 'Name it to click it or to type into it.' }),
    role: Type.String({ description: 'Such as link, button, textbox, checkbox, combobox.' }),
    name: Type.String(),
    value: Type.Optional(Type.String({ description: 'What it holds; never of a password.' })),
    checked: Type.Optional(Type.Boolean()),
    disabled: Type.Optional(Type.Boolean()),
    url: Type.Optional(Type.String({ description: 'Where a link leads.' })),
  },
  { $id: 'PageElement' },
)

const PageSnapshotView = Type.Object(
  {
    url: Type.String(),
    title: Type.String(),
    text: Type.String({
      description: 'What can be read, with what can be clicked and typed into as `[ref role]` before its name.',
    }),
    elements: Type.Array(named(PageElementView), { description: 'Up to 400.' }),
    truncated: Type.Boolean({ description: 'There is more than this.' }),
  },
  { $id: 'PageSnapshot', description: 'A page as text. All of it comes from the sandbox.' },
)

const EvaluatedView = Type.Object(
  {
    type: Type.String({ description: 'As `typeof` says it.' }),
    value: Type.Optional(Type.Unknown({ description: 'As far as JSON has it, up to 1 MiB.' })),
    error: Type.Optional(Type.String({ description: 'It threw this.' })),
  },
  { $id: 'Evaluated', description: 'What an expression came to.' },
)

export const browserSchemas = [
  ...[OpenUrl, TakeSnapshot, ClickElement, TypeText, PressKey, EvaluateInPage, GoBack],
  ...[PageStateView, PageElementView, PageSnapshotView, EvaluatedView],
]

const tags = ['browser']
const params = SandboxParams
const moved = { 200: json('Where the browser is then.', PageStateView), ...problems }
const picture = (description: string) => ({ schema: { type: 'string', format: 'binary', description } })

/** /v1/sandboxes/:id/browser: a browser in the sandbox, started by the first call that needs it. */
export async function browserRoutes(app: FastifyInstance, { browser }: Sandboxes): Promise<void> {
  app.post<ById & { Body: OpenUrl }>(
    '/sandboxes/:id/browser/open',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.open' },
      schema: {
        operationId: 'openUrl',
        summary: 'Open a page and wait until all of it has come',
        description:
          '503 with `details.reason` `no_browser` where the sandbox has no Chromium, `not_reached` where the page cannot be reached; ' +
          '409 `too_little_room` where the sandbox is too small for one.',
        ...{ tags, params, body: named(OpenUrl), response: moved },
      },
    },
    ({ account, params, body }, reply) => browser.open({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.post<ById & { Body: TakeSnapshot }>(
    '/sandboxes/:id/browser/snapshot',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.snapshot' },
      schema: {
        operationId: 'takeSnapshot',
        summary: 'Read the page as text, with what can be clicked and typed into',
        ...{ tags, params, body: named(TakeSnapshot) },
        response: { 200: json('The page.', PageSnapshotView), ...problems },
      },
    },
    ({ account, params, body }, reply) => browser.snapshot({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.post<ById & { Body: ClickElement }>(
    '/sandboxes/:id/browser/click',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.click' },
      schema: {
        operationId: 'clickElement',
        summary: 'Click an element of the last snapshot, and wait for the page that this leads to',
        description:
          '404 where it is not in the page any more, 409 where a click would not reach it; the message says why.',
        ...{ tags, params, body: named(ClickElement), response: moved },
      },
    },
    ({ account, params, body }, reply) => browser.click({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.post<ById & { Body: TypeText }>(
    '/sandboxes/:id/browser/type',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.type' },
      schema: {
        operationId: 'typeText',
        summary: 'Type into an element of the last snapshot, instead of what it holds; choose from a list',
        ...{ tags, params, body: named(TypeText), response: moved },
      },
    },
    ({ account, params, body }, reply) => browser.type({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.post<ById & { Body: PressKey }>(
    '/sandboxes/:id/browser/press',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.press' },
      schema: {
        operationId: 'pressKey',
        summary: 'Press a key, such as Enter or Control+a',
        ...{ tags, params, body: named(PressKey), response: moved },
      },
    },
    ({ account, params, body }, reply) => browser.press({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.post<ById & { Body: EvaluateInPage }>(
    '/sandboxes/:id/browser/evaluate',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.evaluate' },
      schema: {
        operationId: 'evaluateInPage',
        summary: 'Run JavaScript in the page',
        ...{ tags, params, body: named(EvaluateInPage) },
        response: { 200: json('What it came to.', EvaluatedView), ...problems },
      },
    },
    ({ account, params, body }, reply) => browser.evaluate({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.post<ById & { Body: GoBack }>(
    '/sandboxes/:id/browser/back',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.back' },
      schema: {
        operationId: 'goBack',
        summary: 'Go back to the page before',
        ...{ tags, params, body: named(GoBack), response: moved },
      },
    },
    ({ account, params, body }, reply) => browser.back({ account, id: params.id }, body, clientGone(reply.raw)),
  )

  app.get<ById & { Querystring: TakeScreenshot }>(
    '/sandboxes/:id/browser/screenshot',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.screenshot' },
      schema: {
        operationId: 'takeScreenshot',
        summary: 'Take a picture of the page',
        ...{ tags, params, querystring: TakeScreenshot },
        response: {
          200: {
            description: 'The picture, in the form that was asked for.',
            content: { 'image/png': picture('As it is unless asked for otherwise.'), 'image/jpeg': picture('JPEG.') },
          },
          ...problems,
        },
      },
    },
    async ({ account, params, query }, reply) => {
      const image = await browser.screenshot({ account, id: params.id }, query, clientGone(reply.raw))
      return reply
        .type(`image/${query.format ?? 'png'}`)
        .header('x-content-type-options', 'nosniff')
        .send(image)
    },
  )

  app.delete<ById>(
    '/sandboxes/:id/browser',
    {
      config: { permission: 'sandboxes:exec', audit: 'browser.close' },
      schema: {
        operationId: 'closeBrowser',
        summary: 'Close the browser; its cookies and what else is in its profile stay',
        ...{ tags, params },
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await browser.close({ account, id: params.id }, clientGone(reply.raw))
      return reply.code(204).send()
    },
  )
}
