const codes = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])

/**
 * Whether this process or its host had nothing left to do it with: then the failure tells nothing about the thing itself,
 * above all not that it is gone.
 */
export function isOutOfResources(error: unknown): boolean {
  return codes.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}

/** For `catch`: `value` where the thing is not there, the failure itself where nobody could look. */
export function unlessOutOfResources<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isOutOfResources(error)) throw error
    return value
  }
}
