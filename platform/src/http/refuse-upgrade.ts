import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { problemOf, retryHeadersOf } from './problem.ts'
import { statusOfAnswer, upgradeAnswered } from './upgrade-answer.ts'

/** Answers a request for another protocol with `error`, as plain HTTP, and hangs up. */
export function refuseUpgrade(socket: Duplex, error: unknown, requestId: string, status?: number): void {
  const problem = problemOf(error, requestId)
  const code = status ?? problem.status
  const body = JSON.stringify(problem.body)
  const more = retryHeadersOf(error).map(([name, value]) => `${name}: ${value}\r\n`)
  hangUpAfter(
    socket,
    `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\nx-request-id: ${requestId}\r\n${more.join('')}\r\n${body}`,
  )
}

/** Sends the last words and closes, also when the other end does not. */
export function hangUpAfter(socket: Duplex, words: string): void {
  upgradeAnswered(socket, statusOfAnswer(Buffer.from(words.slice(0, 12))))
  socket.end(words)
  const timer = setTimeout(() => socket.destroy(), 2_000)
  socket.once('close', () => clearTimeout(timer))
}
