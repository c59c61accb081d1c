import type { Usage } from '../engine/driver.ts'
import type { Instance } from '../engine/engine.ts'

/** Who is told what sandboxes use. That they begin and end it hears from the events. */
export interface UseMeter {
  /** It runs from now on: what its instance used before was not its own. */
  begins(id: string, instance: Instance): void
  /** It is about to be paused or ended: the last moment to look at it. Never rejects. */
  leaves(id: string, instance: Instance): Promise<void>
  /** What was seen of one that runs; `usage` is undefined where the host cannot measure. */
  sampled(id: string, instance: Instance, usage: Usage | undefined): void
}
