import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { asAnswer, asNumber, asText } from '../../engine/guest/browser/devtools.ts'
import type { Page } from '../../engine/guest/browser/page.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { PageElement, PageSnapshot, TakeSnapshot } from './browser.ts'
import { refPrefix } from './element.ts'
import { withPage } from './with-page.ts'

const usualCharacters = 20_000
const most = { mostElements: 400, mostNodes: 100_000, mostMs: 3000 }

const attempts = 5
const pauseMs = 100

let program: Promise<string> | undefined

/** The page as text, with what can be clicked and typed into. A page that is longer than asked for is cut, and says so. */
export function takeSnapshot(
  deps: SandboxDeps,
  subject: Subject,
  { maxCharacters = usualCharacters, timeout }: TakeSnapshot,
  signal: AbortSignal,
): Promise<PageSnapshot> {
  return withPage(deps, subject, { timeout, signal }, async ({ page }) => {
    const { prefix, told, numbers } = await readSettled(page, { ...most, mostCharacters: maxCharacters })
    const refOf = (at: number) => `${prefix}-${numbers[at] ?? 0}`
    const { text, described, truncated } = asAnswer(told)
    const elements = (Array.isArray(described) ? described : []).slice(0, numbers.length)
    return {
      ...(await page.at()),
      text: asText(text, 2 * maxCharacters).replace(/\0(\d{1,4})\0/g, (_, at) => refOf(Number(at))),
      elements: elements.map((one, at) => elementOf(asAnswer(one), refOf(at))),
      truncated: truncated === true,
    }
  })
}

/** As `readPage`; a page that becomes another meanwhile is read anew. */
async function readSettled(page: Page, limits: object) {
  for (let attempt = 1; ; attempt++) {
    try {
      const prefix = refPrefix(await page.document())
      return { prefix, ...(await readPage(page, limits)) }
    } catch (error) {
      if (attempt === attempts || !(error instanceof WarrenError && error.code === 'conflict')) throw error
      await sleep(pauseMs)
    }
  }
}

/** What the page is, in its own words, and the number that the browser has for each element of it. */
async function readPage(page: Page, limits: object): Promise<{ told: unknown; numbers: number[] }> {
  program ??= readFile(new URL('../../engine/guest/browser/snapshot.mjs', import.meta.url), 'utf8')
  const source = (await program).replace(/^export /m, '')
  const read = await page.call('Runtime.evaluate', {
    expression: `(() => { ${source}\nreturn snapshot(${JSON.stringify(limits)}) })()`,
    contextId: await page.ownWorld(),
  })
  const objectId = asText(asAnswer(read.result).objectId, 200)
  if (!objectId || read.exceptionDetails)
    throw new WarrenError('conflict', 'the page cannot be read now; it may be on its way to another')
  const told = parsed(await page.callOn(objectId, 'function () { return this.told }'))
  const list = await page.call('Runtime.callFunctionOn', {
    objectId,
    functionDeclaration: 'function () { return this.elements }',
  })
  const { result } = await page.call('Runtime.getProperties', {
    objectId: asText(asAnswer(list.result).objectId, 200),
    ownProperties: true,
  })
  const items = (Array.isArray(result) ? result : []).map(asAnswer).filter(({ name }) => /^\d+$/.test(asText(name, 10)))
  const numbers = items
    .slice(0, most.mostElements)
    .map(({ value }) => numberOf(page, asText(asAnswer(value).objectId, 200)))
  return { told, numbers: await Promise.all(numbers) }
}

/** 0, which no element has, for one that is gone already. */
async function numberOf(page: Page, objectId: string): Promise<number> {
  const described = await page.call('DOM.describeNode', { objectId }).catch((error) => {
    if (error instanceof WarrenError && error.code === 'conflict') return {}
    throw error
  })
  return asNumber(asAnswer(asAnswer(described).node).backendNodeId)
}

function elementOf({ role, name, value, checked, disabled, url }: Record<string, unknown>, ref: string): PageElement {
  return {
    ref,
    role: asText(role, 40),
    name: asText(name, 200),
    ...(typeof value === 'string' ? { value: asText(value, 400) } : {}),
    ...(typeof checked === 'boolean' ? { checked } : {}),
    ...(disabled === true ? { disabled } : {}),
    ...(typeof url === 'string' ? { url: asText(url, 600) } : {}),
  }
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(asText(text, 2_000_000))
  } catch {
    return {}
  }
}
