import type { DiskLimit, InstanceSpec } from '../driver.ts'
import { templateDisk } from '../images/template-disk.ts'
import { type Host, hostUid } from './host.ts'

/** Options that make the keeper mount a size-limited root with the template's skeleton and the guest agent in it. */
export async function rootOptions(
  host: Host,
  spec: InstanceSpec,
  disk: DiskLimit,
  uid = hostUid(spec.slot),
): Promise<string[]> {
  const options = [
    ...['--disk', disk],
    ...['--disk-mb', String(spec.limits.diskMb)],
    ...['--skeleton', spec.rootfs.skeleton],
    ...['--uid-base', String(uid)],
    ...['--mount-at', host.mountPoint],
    ...['--bind', `${host.guestBinary}:.warren/guest`],
  ]
  if (disk === 'loop')
    options.push('--image', await templateDisk(host.imagesDir, spec.rootfs.skeleton, spec.limits.diskMb))
  return options
}
