export interface Trend {
  name: string
  first: number
  last: number
  mean: number
  /** Of the straight line through all samples, by least squares. */
  perHour: number
  verdict: 'flat' | 'growing'
}

/** What a line may rise over the whole time and still be flat: this share of its mean, and this much at least. */
export interface Tolerance {
  share: number
  least: number
}

/** How a figure goes over time. Growing is what rises by more than the tolerance and does so steadily, not in one jump up and down. */
export function trendOf(
  name: string,
  samples: readonly { atMs: number; value: number }[],
  tolerance: Tolerance,
): Trend {
  const count = samples.length
  const mean = sum(samples.map(({ value }) => value)) / count
  const meanAt = sum(samples.map(({ atMs }) => atMs)) / count
  const spread = sum(samples.map(({ atMs }) => (atMs - meanAt) ** 2))
  const slope = spread === 0 ? 0 : sum(samples.map(({ atMs, value }) => (atMs - meanAt) * (value - mean))) / spread
  const deviation = sum(samples.map(({ value }) => (value - mean) ** 2))
  const explained = deviation === 0 ? 0 : (slope ** 2 * spread) / deviation
  const first = samples[0]!
  const last = samples.at(-1)!
  const rise = slope * (last.atMs - first.atMs)
  const isGrowing = rise > Math.max(tolerance.share * Math.abs(mean), tolerance.least) && explained > 0.3
  return {
    name,
    first: first.value,
    last: last.value,
    mean,
    perHour: slope * 3_600_000,
    verdict: isGrowing ? 'growing' : 'flat',
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
