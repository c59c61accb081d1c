import { type Platform, startPlatform } from '../../../platform/test/platform.ts'
import { Warren } from '../src/index.ts'

/** A client of a platform of its own; both end with the test file. */
export async function startWithClient(): Promise<{ platform: Platform; warren: Warren }> {
  const platform = await startPlatform()
  return { platform, warren: new Warren({ baseUrl: platform.url, apiKey: platform.key }) }
}
