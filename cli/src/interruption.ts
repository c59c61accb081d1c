/** Aborts when the user or the system wants us to end. Without it the default would leave sandboxes behind. */
export function interruption(): { signal: AbortSignal; exitCode(): number | undefined } {
  const controller = new AbortController()
  let exitCode: number | undefined
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(name, () => {
      exitCode ??= 128 + number
      controller.abort()
    })
  }
  return { signal: controller.signal, exitCode: () => exitCode }
}
