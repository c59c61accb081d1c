import type { Driver } from './driver.ts'
import { namespacesDriver } from './drivers/namespaces/driver.ts'
import { ociDriver } from './drivers/oci/driver.ts'
import { unconfinedDriver } from './drivers/unconfined/driver.ts'
import type { Host } from './host/host.ts'

/** Every driver there is, strongest first. */
export function createDrivers(host: Host, options: { allowUnconfined: boolean }): Driver[] {
  return [ociDriver(host), namespacesDriver(host), unconfinedDriver(host, options.allowUnconfined)]
}
