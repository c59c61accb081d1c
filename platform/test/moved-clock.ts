// Preloaded into a platform: its clock goes ahead of the machine's by what it is told.
let aheadMs = 0

globalThis.Date = new Proxy(Date, {
  construct: (real, given, of) => Reflect.construct(real, given.length === 0 ? [real.now() + aheadMs] : given, of),
  get: (real, name) => (name === 'now' ? () => real.now() + aheadMs : Reflect.get(real, name)),
})

process.on('message', (message: { aheadMs: number }) => {
  ;({ aheadMs } = message)
})
// Listening is no reason to go on.
process.channel?.unref()
