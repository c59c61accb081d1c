import { existsSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Warren } from '@warren/sdk'
import { type Platform, startPlatform } from '../bench/measure/platform.ts'
import { type BatteryReport, runBattery } from './battery.ts'
import { allCases } from './cases.ts'
import { Place } from './place.ts'
import { openWorld } from './world.ts'

const testTools = fileURLToPath(new URL('../.cache/tools', import.meta.url))

/** Where tests keep what a platform makes of the host's programs for microVMs, which takes minutes. */
const testCache = fileURLToPath(new URL('../.cache/host', import.meta.url))

export interface VerifyOptions {
  /** Only this runtime; else every one of this host that isolates. */
  driver?: string | undefined
  /** Only cases whose ids begin so. */
  only?: string | undefined
  /** A server of this machine that runs already. Without it one is started, and it is gone afterwards. */
  server?: { url: string; key: string; home: string } | undefined
  /** Folder of programs beside PATH that a server of our own may use. */
  toolsDir?: string | undefined
  tell?: (line: string) => void
}

/** Runs the battery against the runtimes of this host. Leaves nothing behind, also when it is interrupted. */
export async function verifyHost(options: VerifyOptions = {}): Promise<BatteryReport> {
  const { tell = () => {} } = options
  tell('starting a platform for the control')
  // The control needs a platform that allows what no other should: sandboxes without isolation.
  const platform = await startPlatform(
    { WARREN_ALLOW_UNCONFINED: 'yes', WARREN_POOL_SIZE: '0', WARREN_TEMPLATES: 'on-demand', WARREN_LOG_LEVEL: 'error' },
    (home) => linkTools(home, options.toolsDir),
  )
  const interrupted = () => void platform.stop().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted)
  try {
    return await attack(platform, options, tell)
  } finally {
    tell('clearing up')
    await platform.stop()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted)
  }
}

async function attack(platform: Platform, options: VerifyOptions, tell: (line: string) => void) {
  const own = { url: platform.url, key: platform.apiKey!, home: platform.own!.home }
  const server = options.server ?? own
  // What is written there goes with the platform's folder, even when all this is killed.
  const control = new Place(own, { driver: 'unconfined', isolation: 'none' }, own.home)
  const runtimes = await new Warren({ baseUrl: server.url, apiKey: server.key }).runtimes()
  const places = runtimes
    .filter(({ driver, isolation, healthy }) =>
      options.driver ? driver === options.driver : healthy && isolation !== 'none',
    )
    .map((runtime) => new Place(server, runtime))
  const world = await openWorld(control, server.home)
  try {
    const cases = allCases.filter(({ id }) => id.startsWith(options.only ?? ''))
    return await runBattery(cases, places, world, tell)
  } finally {
    await Promise.all([control, ...places].map((place) => place.close()))
    await world.close()
  }
}

/** Where the platform of this machine, or else the tests, keep programs of their own. */
async function linkTools(home: string, toolsDir: string | undefined): Promise<void> {
  const found = [toolsDir, testTools].find((folder) => folder && existsSync(folder))
  if (found) await symlink(found, join(home, 'tools'))
  if (existsSync(testCache)) await symlink(testCache, join(home, 'cache'))
}
