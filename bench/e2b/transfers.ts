import http from 'node:http'
import { finished } from 'node:stream/promises'
import { cpuSeconds } from '../measure/cpu-seconds.ts'
import { readProc } from '../measure/proc.ts'
import { Recorder, type Series } from '../measure/series.ts'
import { bareFileServer } from './bare-file-server.ts'
import type { E2bDeps } from './client-of.ts'

const piece = Buffer.alloc(1024 * 1024, 'warren ')
/** Of 150 MB a second. */
const bytesPerMs = 150_000
const path = '/home/user/large'

/** A gigabyte in and out by signed addresses, beside a bare server, and by how much ours grew meanwhile. */
export async function measureTransfers(deps: E2bDeps): Promise<Series[]> {
  const { create, driver, quick, pid } = deps
  const bytes = (quick ? 100 : 1000) * piece.length
  const sandbox = await create()
  const bare = await bareFileServer()
  const series: Series[] = []
  try {
    for (const [what, work] of [
      ['upload', async (address?: string) => upload(address ?? (await sandbox.uploadUrl(path)), bytes)],
      ['download', async (address?: string) => download(address ?? (await sandbox.downloadUrl(path)), bytes)],
    ] as const) {
      const [ours, theirs] = [new Recorder(), new Recorder()]
      const growth = new Growth(pid)
      const usedBefore = cpuSeconds([pid])
      await ours.time(() => work())
      const used = cpuSeconds([pid]) - usedBefore
      const grownMb = growth.end()
      await theirs.time(() => work(bare.url))
      const targets = [{ percentile: 'p50' as const, atMost: bytes / bytesPerMs }]
      const made = ours.series(`${what} of ${bytes / 1048576} MiB, ${driver}`, { targets })
      const beside = theirs.series('bare').p50
      const speeds = `${speed(bytes, made.p50)} MB/s, a bare server of Node ${speed(bytes, beside)}`
      series.push({
        ...made,
        note: `${speeds}; the server used ${used.toFixed(1)} s and grew by ${grownMb} MiB at most`,
      })
    }
  } finally {
    await bare.stop()
    await sandbox.kill()
  }
  return series
}

function speed(bytes: number, ms: number): number {
  return Math.round(bytes / 1000 / ms)
}

async function upload(address: string, bytes: number): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes }
  const request = http.request(address, { method: 'POST', headers })
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  for (let sent = 0; sent < bytes && !request.destroyed; sent += piece.length)
    if (!request.write(piece)) await Promise.race([new Promise((resolve) => request.once('drain', resolve)), answered])
  request.end()
  const reply = await answered
  reply.resume()
  await finished(reply)
  if (reply.statusCode !== 200) throw new Error(`the upload was answered with ${reply.statusCode}`)
}

async function download(address: string, bytes: number): Promise<void> {
  const reply = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get(address, resolve).on('error', reject)
  })
  let received = 0
  reply.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  await finished(reply)
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came, with ${reply.statusCode}`)
}

/** Looks ten times a second at how much memory a process has. */
class Growth {
  readonly #before: number
  #most = 0
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    this.#before = residentMb(pid)
    this.#timer = setInterval(() => {
      this.#most = Math.max(this.#most, residentMb(pid) - this.#before)
    }, 100)
  }

  end(): number {
    clearInterval(this.#timer)
    return Math.round(this.#most)
  }
}

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
}
