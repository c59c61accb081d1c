const showAfterMs = 1000

/** Does `work`; if it takes longer than a second and somebody looks, a line on stderr says so and is wiped again. */
export async function withProgress<T>(
  label: string,
  work: (report: (detail: string) => void) => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY) return work(() => {})
  const startedAt = Date.now()
  let detail = ''
  let shown = false
  const timer = setInterval(() => {
    const ms = Date.now() - startedAt
    if (ms < showAfterMs) return
    shown = true
    process.stderr.write(`\r\x1b[K${label}… ${detail} ${Math.round(ms / 1000)} s`)
  }, 200)
  try {
    return await work((latest) => {
      detail = latest
    })
  } finally {
    clearInterval(timer)
    if (shown) process.stderr.write('\r\x1b[K')
  }
}
