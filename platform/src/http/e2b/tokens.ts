import { createHmac } from 'node:crypto'
import { equalText } from '../../lib/equal-text.ts'

/**
 * The tokens of sandboxes, made from a secret of this installation and the id: the same for one sandbox whenever it is
 * asked for, also after a restart, and stored nowhere.
 */
export class SandboxTokens {
  readonly #seed: string

  constructor(seed: string) {
    this.#seed = seed
  }

  /** Lets its bearer act inside the sandbox: run commands, read and write files. */
  access(id: string): string {
    return this.#mac(id)
  }

  /** Lets its bearer reach the ports of a sandbox that are not open to everybody. */
  traffic(id: string): string {
    return this.#mac(`sandbox-traffic-${id}`)
  }

  /** Lets its bearer upload what `text` says. */
  upload(text: string): string {
    return this.#mac(`upload-${text}`)
  }

  isUpload(text: string, shown: string | undefined): boolean {
    return shown !== undefined && equalText(this.upload(text), shown)
  }

  /** Lets its bearer read and write what is in a volume. */
  volume(id: string): string {
    return this.#mac(`volume-${id}`)
  }

  isVolume(id: string, shown: string | undefined): boolean {
    return shown !== undefined && equalText(this.volume(id), shown)
  }

  isAccess(id: string, shown: string | undefined): boolean {
    return shown !== undefined && equalText(this.access(id), shown)
  }

  isTraffic(id: string, shown: string | undefined): boolean {
    return shown !== undefined && equalText(this.traffic(id), shown)
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#seed).update(text).digest('hex')
  }
}
