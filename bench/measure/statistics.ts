/** The value that a share `q` of the sorted samples does not exceed (nearest rank). */
export function percentile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

export interface Distribution {
  p50: number
  p95: number
  p99: number
  max: number
}

export function distribution(samples: readonly number[]): Distribution {
  const sorted = [...samples].sort((a, b) => a - b)
  const rounded = (q: number) => Math.round(percentile(sorted, q) * 100) / 100
  return { p50: rounded(0.5), p95: rounded(0.95), p99: rounded(0.99), max: rounded(1) }
}
