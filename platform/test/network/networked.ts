import { type Platform, startPlatform } from '../platform.ts'
import { addresses, type FakeInternet } from './fake-internet.ts'

/** The user that a test file asks for by importing another with this in its environment. */
export const ordinaryUser = Number(process.env.WARREN_TEST_UID ?? 0) || undefined

/** A platform whose sandboxes have the fake internet before them: root's, or an ordinary user's who stands at its border. */
export function startNetworked(internet: FakeInternet, more: Record<string, string> = {}): Promise<Platform> {
  const resolver = { WARREN_EGRESS_DNS: addresses.resolver, ...more }
  return ordinaryUser === undefined
    ? startPlatform({ ...resolver, WARREN_EGRESS_UPLINK: internet.uplink })
    : startPlatform(resolver, { elsewhere: { uid: ordinaryUser, network: internet.uplink } })
}
