/** The items of `source`; whenever none came for `silenceMs`, `sign`. */
export async function* withKeepalive<T, S>(
  source: AsyncIterator<T>,
  silenceMs: number,
  sign: S,
): AsyncGenerator<T | S> {
  let next = source.next()
  try {
    for (;;) {
      const silence = Promise.withResolvers<'silence'>()
      const timer = setTimeout(silence.resolve, silenceMs, 'silence')
      const first = await Promise.race([next, silence.promise]).finally(() => clearTimeout(timer))
      if (first === 'silence') {
        yield sign
        continue
      }
      if (first.done) return
      yield first.value
      next = source.next()
    }
  } finally {
    next.catch(() => {})
    void source.return?.()?.catch(() => {})
  }
}
