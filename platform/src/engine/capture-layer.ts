import { mkdir } from 'node:fs/promises'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import { snapshotParts } from './driver.ts'
import type { EngineParts } from './engine-parts.ts'
import { hostUid } from './host/host.ts'
import type { Layer } from './images/layer-store.ts'
import type { Instance } from './instance.ts'

export interface CaptureOptions {
  /** The folder inside that becomes the root of the layer. Default: the root. */
  below?: string | undefined
}

/** What a sandbox still holds in memory is written out first; it may take so long, milliseconds. */
const syncMs = 60_000

/** Ends an instance that was started from layers, and makes a layer of what it has written. Nothing else is left of it. */
export async function captureLayer(
  parts: EngineParts,
  instance: Instance,
  { below }: CaptureOptions,
  signal: AbortSignal,
): Promise<Layer | undefined> {
  const { id, spec } = instance
  if (instance.disk !== 'loop' || !spec.rootfs.layers) {
    await parts.clear(instance)
    throw new WarrenError(
      'unavailable',
      `what a sandbox of ${instance.driver.name} writes cannot be kept as a layer here`,
      {
        hint: 'Templates are built by root, on a host with loop devices and mkfs.ext4.',
      },
    )
  }
  const { path } = parts.store.dir(id)
  try {
    await writeOut(instance)
    await instance.putAway([snapshotParts.disk])
    const mountPoint = `${path}/layer`
    await step('layer.mount_point', id, () => mkdir(mountPoint, { recursive: true }))
    const written = { image: `${path}/${snapshotParts.disk}`, mountPoint, below, uidBase: hostUid(spec.slot) }
    return await parts.images.layers.capture({ ...written, maxMb: spec.limits.diskMb }, signal)
  } finally {
    await parts.clear(instance)
  }
}

/** Its kernel may be one in user space, which keeps what was written through a mapping until it is asked. */
async function writeOut({ guest }: Instance): Promise<void> {
  const sync = await guest
    .exec({ argv: ['/bin/sync'], user: 'root', timeoutMs: syncMs, env: {}, cwd: '/' })
    .catch(() => undefined)
  if (!sync) return
  for await (const _ of sync.output());
}
