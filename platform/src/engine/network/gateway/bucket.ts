import { Transform, type TransformCallback } from 'node:stream'

/** How much may go at once, in seconds of the rate. */
const burstSeconds = 0.1

/** A rate that several streams share. */
export class Bucket {
  bytesPerSecond: number | undefined
  #bytes = 0
  #at = performance.now()

  /** Takes `bytes` out; answers how long to wait until the next may go, milliseconds. */
  take(bytes: number): number {
    if (this.bytesPerSecond === undefined) return 0
    const now = performance.now()
    const refilled = this.#bytes + ((now - this.#at) / 1000) * this.bytesPerSecond
    this.#bytes = Math.min(refilled, this.bytesPerSecond * burstSeconds) - bytes
    this.#at = now
    return this.#bytes >= 0 ? 0 : (-this.#bytes / this.bytesPerSecond) * 1000
  }
}

/** Passes bytes on at the rate of `bucket`, which may change meanwhile. */
export class Throttle extends Transform {
  readonly #bucket: Bucket
  #timer: NodeJS.Timeout | undefined

  constructor(bucket: Bucket) {
    super()
    this.#bucket = bucket
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const waitMs = this.#bucket.take(chunk.length)
    if (waitMs < 1) done(null, chunk)
    else this.#timer = setTimeout(() => done(null, chunk), waitMs)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer)
    done(error)
  }
}
