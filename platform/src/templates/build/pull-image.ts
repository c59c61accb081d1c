import type { ImageOrder } from '../registry/image-puller.ts'
import type { PulledImage } from '../registry/pull.ts'

/** Fetches an image: each layer becomes a folder `<sha256>/`, whole or not at all. Its layers are data: nothing of it is run. */
export type PullImage = (reference: string, order: ImageOrder) => Promise<PulledImage>
