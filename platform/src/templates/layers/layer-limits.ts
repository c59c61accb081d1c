/** How large a layer may become. */
export interface LayerLimits {
  /** Of all files together, unpacked. */
  bytes: number
  entries: number
  /** What must stay free on the disk. */
  freeBytes: number
}

export const defaultLayerLimits: LayerLimits = {
  bytes: 10 * 1024 ** 3,
  entries: 1_000_000,
  freeBytes: 512 * 1024 ** 2,
}
