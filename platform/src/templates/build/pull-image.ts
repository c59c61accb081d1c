import type { RegistryCredentials } from '../template.ts'

/** What an image of a registry is made of. */
export interface PulledImage {
  /** Digests of its layers, the lowest first, each in the folder of layers by now. */
  layers: string[]
  config: { env: Record<string, string>; workdir?: string | undefined; user?: string | undefined }
}

/** Fetches an image. Its layers are data: nothing of it is run. */
export type PullImage = (
  reference: string,
  options: {
    credentials?: RegistryCredentials | undefined
    /** Each layer becomes `<sha256>/` here, whole or not at all. */
    layersDir: string
    onProgress: (message: string) => void
    signal: AbortSignal
  },
) => Promise<PulledImage>
