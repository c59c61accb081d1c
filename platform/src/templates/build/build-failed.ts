/** A build that cannot go on for a reason that lies in what it was asked to do. The message is for whoever asked. */
export class BuildFailed extends Error {
  override readonly name = 'BuildFailed'
  readonly step: string

  constructor(message: string, step: string, options?: { cause?: unknown }) {
    super(message, options)
    this.step = step
  }
}
