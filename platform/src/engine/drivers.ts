import type { Driver } from './driver.ts'
import { microvmDriver } from './drivers/microvm/driver.ts'
import { firecracker } from './drivers/microvm/firecracker.ts'
import { qemu } from './drivers/microvm/qemu.ts'
import { namespacesDriver } from './drivers/namespaces/driver.ts'
import { ociDriver } from './drivers/oci/driver.ts'
import { runc } from './drivers/oci/runc.ts'
import { runsc } from './drivers/oci/runsc.ts'
import { unconfinedDriver } from './drivers/unconfined/driver.ts'
import type { Host } from './host/host.ts'

interface DriverOptions {
  allowUnconfined: boolean
  /** The operator's kernel for microVMs. */
  kernel?: string | undefined
  /** Told what takes minutes. */
  tell?: (message: string) => void
}

/** Every driver there is, strongest first. */
export function createDrivers(host: Host, options: DriverOptions): Driver[] {
  return [
    microvmDriver(host, firecracker, options),
    microvmDriver(host, qemu, options),
    ociDriver(host, runsc),
    ociDriver(host, runc),
    namespacesDriver(host),
    unconfinedDriver(host, options.allowUnconfined),
  ]
}
