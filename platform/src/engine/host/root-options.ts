import { type DiskLimit, type InstanceSpec, type SnapshotSource, snapshotParts } from '../driver.ts'
import { templateDisk } from '../images/template-disk.ts'
import { type Host, hostUid } from './host.ts'

/**
 * Options that make the keeper mount a size-limited root with the guest agent in it: the template's skeleton, or the disk
 * of a snapshot.
 */
export async function rootOptions(
  host: Host,
  spec: InstanceSpec,
  disk: DiskLimit,
  from?: SnapshotSource,
): Promise<string[]> {
  const options = [
    ...['--disk', disk],
    ...['--disk-mb', String(spec.limits.diskMb)],
    ...['--skeleton', spec.rootfs.skeleton],
    ...['--uid-base', String(hostUid(spec.slot))],
    ...['--mount-at', host.mountPoint],
    ...(spec.rootfs.layers ?? []).flatMap((layer) => ['--layer', layer]),
    ...['--bind', `${spec.rootfs.agent ?? host.guestBinary}:.warren/guest`],
  ]
  const limit = disk === 'loop' && host.diskWriteMbps > 0 && host.cgroups?.writeLimitFile(spec.id)
  if (limit) options.push('--write-limit', `${limit}:${host.diskWriteMbps * 1_000_000}`)
  for (const { source, path, readOnly } of spec.volumes ?? [])
    options.push(readOnly ? '--volume-ro' : '--volume', `${source}:${path.slice(1)}`)
  if (from) options.push('--image', `${from.path}/${snapshotParts.disk}`, '--shift-from', String(hostUid(from.slot)))
  else if (disk === 'loop')
    options.push('--image', await templateDisk(host.imagesDir, spec.rootfs.skeleton, spec.limits.diskMb))
  return options
}
