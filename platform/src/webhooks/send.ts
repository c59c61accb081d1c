import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressRange } from '../engine/network/addresses.ts'
import { judgeAddress, judgedLookup } from '../engine/network/judge-address.ts'

/** All of an attempt takes no longer, milliseconds. */
export const patienceMs = 15_000
/** So much of an answer is read, for people to see; the rest is not taken in. */
const mostAnswer = 1024
/** What an answer says beside that it is a success is waited for no longer, milliseconds: nobody sees it. */
const graceMs = 1_000

export interface Sent {
  /** Absent where there was no answer. */
  status?: number
  /** Why it is no success. */
  error?: string
}

/** Posts `body` once. Never rejects: what became of it is the answer. Redirects are not followed. */
export function send(
  { url: text, body, headers }: { url: string; body: string; headers: Record<string, string> },
  open: readonly AddressRange[],
  signal: AbortSignal,
): Promise<Sent> {
  const url = new URL(text)
  const judge = (address: string) => {
    const verdict = judgeAddress(address, open)
    if (verdict.reach === 'closed') throw new Error(`${url.hostname} is at ${address}, which ${verdict.reason}`)
    if (verdict.reach === 'public' && url.protocol !== 'https:') throw new Error('only https is spoken in the internet')
  }
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resolve({
        error: timeout.aborted
          ? `no answer within ${patienceMs / 1000} seconds`
          : error.message || error.code || 'failed',
      })
    const timeout = AbortSignal.timeout(patienceMs)
    try {
      const sent = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: false,
        lookup: judgedLookup(url, judge),
        signal: AbortSignal.any([signal, timeout]),
        headers: {
          'content-type': 'application/json',
          'user-agent': 'warren-webhooks',
          'content-length': Buffer.byteLength(body),
          ...headers,
        },
      })
      sent.on('error', failed)
      sent.on('response', (answer) => {
        const status = answer.statusCode ?? 0
        let text = ''
        const done = () => {
          resolve(isSuccess(status) ? { status } : { status, error: `answered ${status}: ${text}`.slice(0, 500) })
          answer.destroy()
        }
        if (isSuccess(status)) setTimeout(done, graceMs).unref()
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => {
          text = (text + chunk).slice(0, mostAnswer)
          if (text.length >= mostAnswer) done()
        })
        answer.on('end', done)
        answer.on('error', done)
      })
      sent.end(body)
    } catch (error) {
      failed(error as Error)
    }
  })
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
