/** What `work` comes to within `ms` milliseconds; else rejects with what `late` makes. The work itself goes on. */
export async function inTime<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  const isLate = Promise.withResolvers<never>()
  const timer = setTimeout(() => isLate.reject(late()), ms)
  try {
    return await Promise.race([work, isLate.promise])
  } finally {
    clearTimeout(timer)
  }
}
