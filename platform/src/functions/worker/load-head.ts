/** What becomes of the code: what the worker is told beside its bytes. */
export interface LoadHead {
  sourceBytes: number
  cacheBytes: number
  files: { path: string; bytes: number; executable?: boolean }[]
  handler: string | undefined
  entry: string | undefined
  env: Record<string, string>
  concurrency: number
  name: string
  account: string
  version: number
  memoryMb: number
  wantsCache: boolean
}
