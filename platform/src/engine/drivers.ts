import type { Driver } from './driver.ts'
import { namespacesDriver } from './drivers/namespaces/driver.ts'
import { ociDriver } from './drivers/oci/driver.ts'
import { runc } from './drivers/oci/runc.ts'
import { runsc } from './drivers/oci/runsc.ts'
import { unconfinedDriver } from './drivers/unconfined/driver.ts'
import type { Host } from './host/host.ts'

/** Every driver there is, strongest first. */
export function createDrivers(host: Host, options: { allowUnconfined: boolean }): Driver[] {
  return [
    ociDriver(host, runsc),
    ociDriver(host, runc),
    namespacesDriver(host),
    unconfinedDriver(host, options.allowUnconfined),
  ]
}
