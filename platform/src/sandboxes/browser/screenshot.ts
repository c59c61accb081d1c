import { type Answer, asAnswer, asNumber } from '../../engine/guest/browser/devtools.ts'
import { WarrenError } from '../../errors.ts'
import type { SandboxDeps, Subject } from '../sandboxes.ts'
import type { TakeScreenshot } from './browser.ts'
import { withPage } from './with-page.ts'

/** Of a page that is larger, the rest is left out, pixels. */
const most = { width: 4096, height: 10_000 }
const jpegQuality = 70

/** A picture of the page, PNG unless it is asked for otherwise. */
export function takeScreenshot(
  deps: SandboxDeps,
  subject: Subject,
  { fullPage, format = 'png', timeout }: TakeScreenshot,
  signal: AbortSignal,
): Promise<Buffer> {
  return withPage(deps, subject, { timeout, signal }, async ({ page }) => {
    await page.call('Page.bringToFront')
    const whole = fullPage
      ? { captureBeyondViewport: true, clip: clipOf(await page.call('Page.getLayoutMetrics')) }
      : {}
    const quality = format === 'jpeg' ? { quality: jpegQuality } : {}
    const { data } = await page.call('Page.captureScreenshot', { format, ...quality, ...whole })
    const image = Buffer.from(typeof data === 'string' ? data : '', 'base64')
    if (image.length === 0) throw new WarrenError('unavailable', 'the browser made no picture of the page')
    return image
  })
}

function clipOf({ cssContentSize }: Answer): object {
  const { width, height } = asAnswer(cssContentSize)
  const within = (size: unknown, limit: number) => Math.min(Math.max(1, Math.ceil(asNumber(size))), limit)
  return { x: 0, y: 0, width: within(width, most.width), height: within(height, most.height), scale: 1 }
}
