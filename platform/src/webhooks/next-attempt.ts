/** After so many seconds the second attempt, the third and so on; then always after the last of them. */
const waitsSeconds = [5, 30, 120, 300, 900, 1800, 3600, 7200]
/** What cannot be delivered is given up after so long, milliseconds. */
export const giveUpAfterMs = 86_400_000

/** When the next attempt is due after so many that failed. Up to a fifth sooner or later, so that those that failed together do not come back together. */
export function nextAttempt(attempts: number, now: Date, random: () => number): Date {
  const seconds = waitsSeconds[Math.min(attempts, waitsSeconds.length) - 1]!
  return new Date(now.getTime() + seconds * 1000 * (0.8 + 0.4 * random()))
}
