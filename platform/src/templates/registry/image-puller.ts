import type { Config } from '../../config.ts'
import { parseOpenRange } from '../../engine/network/judge-address.ts'
import { defaultLayerLimits } from '../layers/layer-limits.ts'
import type { RegistryCredentials } from './credentials.ts'
import { type PulledImage, type PullProgress, pullImage } from './pull.ts'

/** What a build gives: where layers go, who fetches, whom to tell. */
export interface ImageOrder {
  credentials?: RegistryCredentials | undefined
  layersDir: string
  onProgress: (message: string) => void
  platform?: string | undefined
  signal: AbortSignal
}

/** Pulls images as the operator allows it. Throws at once for a setting that makes no sense. */
export function imagePuller(
  { open, insecure, maxImageMb }: Config['registry'],
  guestBinary: string,
): (reference: string, order: ImageOrder) => Promise<PulledImage> {
  const reach = { open: open.map(parseOpenRange), insecure }
  const limits = { ...defaultLayerLimits, bytes: maxImageMb * 1024 ** 2 }
  return (reference, { credentials, platform, onProgress, ...order }) => {
    const tell = inSentences(onProgress)
    return pullImage(reference, {
      ...order,
      ...(credentials ? { credentials } : {}),
      ...(platform ? { platform } : {}),
      guestBinary,
      reach,
      limits,
      onProgress: tell,
    })
  }
}

const tellEveryMb = 50

/** Not every chunk is worth a line of a log. */
function inSentences(say: (message: string) => void): (progress: PullProgress) => void {
  const told = new Map<number, string>()
  return ({ layer, layers, state, bytes, totalBytes }) => {
    const mb = Math.floor(bytes / 1024 ** 2 / tellEveryMb) * tellEveryMb
    const sentences = {
      downloading: `${mb} of ${Math.ceil((totalBytes ?? 0) / 1024 ** 2)} MiB`,
      unpacking: `unpacking, ${mb} MiB`,
      ready: 'ready',
    }
    const sentence = `layer ${layer} of ${layers}: ${sentences[state]}`
    if (told.get(layer) === sentence) return
    told.set(layer, sentence)
    say(sentence)
  }
}
