import type { IsolationWanted } from './choose-driver.ts'
import type { Limits } from './driver.ts'
import type { Image } from './images/images.ts'
import type { NetworkPolicy } from './network/rules.ts'

/** What the engine is asked to start. */
export interface StartRequest {
  /** Whoever the instance is for; kept with it, so that nobody else's claim is honoured after a crash. */
  owner: string
  /**
   * Resolves when the instance may be started or changed, rejects when it may not be. Until then one of the warm pool is held
   * at most, and goes back untouched.
   */
  permitted?: Promise<void>
  template: string
  /** What it starts from instead of a template: a build that is still being made. */
  image?: Image
  limits: Limits
  /** What every process in it starts with. */
  env: Record<string, string>
  /** What it may reach; nothing unless said. */
  network?: NetworkPolicy
  isolation?: Partial<IsolationWanted>
  /** Which volumes it has, and where inside. */
  volumes?: readonly { id: string; path: string; readOnly?: boolean }[]
  /** Start a new one even when a ready one waits. */
  cold?: boolean
  /** Whether it may begin with what was saved of the template's program, where that fits all else that is asked for. */
  begun?: boolean
}
