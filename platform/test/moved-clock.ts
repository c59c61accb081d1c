// Preloaded into a platform: its clock goes ahead of the machine's by what it is told, at first by its environment, and so does what
// it measures waits with.
let aheadMs = Number(process.env.AHEAD_MS ?? 0)
let waitedMs = 0

const sinceStart = performance.now.bind(performance)
performance.now = () => sinceStart() + waitedMs

globalThis.Date = new Proxy(Date, {
  construct: (real, given, of) => Reflect.construct(real, given.length === 0 ? [real.now() + aheadMs] : given, of),
  get: (real, name) => (name === 'now' ? () => real.now() + aheadMs : Reflect.get(real, name)),
})

process.on('message', (message: { aheadMs?: number; waitedMs?: number }) => {
  ;({ aheadMs = aheadMs, waitedMs = waitedMs } = message)
})
// Listening is no reason to go on.
process.channel?.unref()
