import type { Failure } from '../invocations/invocation.ts'

/** The code could not be loaded. */
export class LoadFailed extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}
