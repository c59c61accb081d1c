/** For `catch` where something is removed or written to: that it is gone already is no failure. */
export function absentIsFine(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
