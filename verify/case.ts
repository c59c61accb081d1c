import type { Place } from './place.ts'
import type { World } from './world.ts'

/** What came of one attempt: whether it got through, and by which words that is known. */
export interface Finding {
  open: boolean
  saw: string
}

/** The attempt cannot be made there at all, and why. */
export interface NotApplicable {
  notApplicable: string
}

/** One thing that must not be possible from a sandbox or at the door. Cases are data and one function each. */
export interface Case {
  /** Group and thing, such as `kernel.core_pattern_write`. Never changes once published. */
  id: string
  /** Makes the attempt. What rejects counts as open: an attempt that failed by accident proves nothing. */
  run(place: Place, world: World): Promise<Finding | NotApplicable>
  /** Where the same attempt must get through. Default: `run` in an unconfined sandbox. */
  control?(world: World): Promise<Finding | NotApplicable>
  /** What the control sees where this host lacks the thing itself, so that there is nothing to protect. */
  absent?: string[]
  /**
   * Concerns what the host's kernel offers. Where programs have a kernel of their own and that has been shown, the attempt
   * ends in that kernel, whatever it answers.
   */
  ownKernel?: boolean
}

export type Outcome = 'closed' | 'open' | 'not_applicable'

export interface CaseResult {
  id: string
  backend: string
  outcome: Outcome
  reason: string
}
