import type { Metric, Registry } from 'prom-client'

interface Answered {
  method: string
  route: string
  status: string
}

interface Counted {
  labels: Answered
  /** By range, each by itself; beyond the last end there is one more. */
  ranges: number[]
  sum: number
}

const name = 'http_request_duration_seconds'
const help = 'Time until the answer was sent, by route.'
/** Upper ends of the ranges, seconds. */
const ends = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const

/** How long requests took, counted at each: so it only counts, and what a histogram is made of is put together when somebody reads it. */
export class RequestDurations {
  readonly #counted = new Map<string, Counted>()

  constructor(registry: Registry) {
    const get = async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: this.#values() })
    registry.registerMetric({ name, get } as unknown as Metric)
  }

  observe({ method, route, status }: Answered, seconds: number): void {
    const key = `${status} ${method} ${route}`
    let counted = this.#counted.get(key)
    if (!counted) {
      counted = { labels: { method, route, status }, ranges: new Array<number>(ends.length + 1).fill(0), sum: 0 }
      this.#counted.set(key, counted)
    }
    let range = 0
    while (range < ends.length && seconds > ends[range]!) range++
    counted.ranges[range]!++
    counted.sum += seconds
  }

  #values(): { labels: object; value: number; metricName: string }[] {
    return [...this.#counted.values()].flatMap(({ labels, ranges, sum }) => {
      let below = 0
      const buckets = ranges.map((count, range) => {
        below += count
        return { metricName: `${name}_bucket`, labels: { ...labels, le: ends[range] ?? '+Inf' }, value: below }
      })
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: below },
      ]
    })
  }
}
