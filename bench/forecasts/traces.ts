import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

export interface Trace {
  file: string
  /** Calls in each minute (or other even step), for each function. */
  series: Float32Array[]
  /** How long a call takes on average, seconds, of each function; undefined where the file does not say. */
  seconds: (number | undefined)[]
}

/**
 * Reads every trace of a folder. What a file holds is told by its header: columns m0, m1, … are minutes and each row is a
 * function; else each row is a step of one series with a column `count` or `value`; else each row is a call at `t_s` seconds.
 */
export function readTraces(folder: string): Trace[] {
  const names = readdirSync(folder).filter((name) => /\.csv(\.gz)?$/.test(name))
  if (names.length === 0) throw new Error(`there is no .csv or .csv.gz in ${folder}`)
  return names.sort().map((file) => readTrace(folder, file))
}

function readTrace(folder: string, file: string): Trace {
  const bytes = readFileSync(join(folder, file))
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  const [head = '', ...rows] = text.split('\n').filter((line) => line.trim() !== '')
  const columns = head.trim().split(',')
  const cells = rows.map((row) => row.trim().split(','))
  const minutes = columns.flatMap((name, at) => (/^m\d+$/.test(name) ? [at] : []))
  if (minutes.length > 0) {
    const duration = columns.indexOf('dur_avg_ms')
    return {
      file,
      series: cells.map((row) => Float32Array.from(minutes, (at) => Number(row[at]) || 0)),
      seconds: cells.map((row) => (duration < 0 ? undefined : Number(row[duration]) / 1000 || undefined)),
    }
  }
  const counted = ['count', 'value'].map((name) => columns.indexOf(name)).find((at) => at >= 0)
  if (counted !== undefined) {
    const took = columns.indexOf('avg_duration_s')
    const durations = took < 0 ? [] : cells.map((row) => Number(row[took])).filter((value) => value > 0)
    const mean = durations.reduce((sum, value) => sum + value, 0) / durations.length
    return { file, series: [steps(cells, counted)], seconds: [durations.length > 0 ? mean : undefined] }
  }
  const at = columns.indexOf('t_s')
  if (at < 0) throw new Error(`${file}: no column m0 …, count, value or t_s`)
  return { file, series: [perMinute(cells.map((row) => Number(row[at])))], seconds: [undefined] }
}

/** Steps that are missing had no calls. The step is the smallest that occurs. */
function steps(cells: string[][], counted: number): Float32Array {
  const times = cells.map(([time = '']) => Date.parse(`${time.replace(' ', 'T')}Z`))
  let step = Number.POSITIVE_INFINITY
  for (let at = 1; at < times.length; at++) {
    const between = times[at]! - times[at - 1]!
    if (between > 0 && between < step) step = between
  }
  const series = new Float32Array(Math.round((times.at(-1)! - times[0]!) / step) + 1)
  for (const [at, row] of cells.entries())
    series[Math.round((times[at]! - times[0]!) / step)]! += Number(row[counted]) || 0
  return series
}

function perMinute(seconds: number[]): Float32Array {
  const series = new Float32Array(Math.floor(Math.max(...seconds) / 60) + 1)
  for (const second of seconds) series[Math.floor(second / 60)]!++
  return series
}
