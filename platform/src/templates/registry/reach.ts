import { isIPv4 } from 'node:net'
import type { AddressRange } from '../../engine/network/addresses.ts'

/** Where images may come from. Their names are a tenant's, so this host's own networks are closed unless they are opened. */
export interface RegistryReach {
  /** Ranges that the operator opens; loopback may be among them. */
  open: readonly AddressRange[]
  /** Registries, as `host:port` or `host`, that are asked over plain HTTP. Those on loopback are, wherever it is open. */
  insecure: readonly string[]
}

/** Whether a registry is asked over plain HTTP. */
export function isInsecure(host: string, insecure: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, '')
  return (
    insecure.includes(host) ||
    insecure.includes(name) ||
    name === 'localhost' ||
    (isIPv4(name) && name.startsWith('127.'))
  )
}
