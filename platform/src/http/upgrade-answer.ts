import type { Duplex } from 'node:stream'

/** A status; `elsewhere`: another node has it, and counts it. */
export type UpgradeAnswer = number | 'elsewhere'

export const switchedStatus = 101
const listeners = new WeakMap<Duplex, (answer: UpgradeAnswer) => void>()

/** Calls `tell` once, with how a request for another protocol is answered. */
export function onUpgradeAnswer(socket: Duplex, tell: (answer: UpgradeAnswer) => void): void {
  listeners.set(socket, tell)
}

/** Tells how a request for another protocol was answered. The first who tells is heard. */
export function upgradeAnswered(socket: Duplex, answer: UpgradeAnswer): void {
  const tell = listeners.get(socket)
  listeners.delete(socket)
  tell?.(answer)
}

/** The status of an answer that begins so; what is none is as if nothing had come. */
export function statusOfAnswer(beginning: Buffer): number {
  const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)/.exec(beginning.toString('latin1', 0, 12)) ?? []
  return status === undefined ? 502 : Number(status)
}
