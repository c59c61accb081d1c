import type { Config } from '../config.ts'
import { WarrenError } from '../errors.ts'
import { places } from './places.ts'

/** Where people reach the platform that listens at `address`. */
export function publicUrl({ publicUrl: given, domain }: Config, address: string): string {
  const port = Number(new URL(address).port)
  return given ?? (domain ? `https://api.${places(() => port, domain).domain()}` : address)
}

/** Where others find what identity tokens are checked with, which is at the platform. */
export function issuerOf(config: Config, address: string): string {
  if (config.node.role === 'worker' && !config.publicUrl && !config.domain)
    throw new WarrenError('unavailable', 'network.identity: this worker does not know where the platform is found', {
      hint: 'Start it with the WARREN_PUBLIC_URL of the platform, or with its WARREN_DOMAIN and port.',
    })
  return `${publicUrl(config, address)}/v1/identity`
}
