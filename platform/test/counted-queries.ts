// Preloaded into a platform: tells, when it is asked, how many queries of each kind it has sent to its database.
import pg from 'pg'

const texts: string[] = []
const send = pg.Client.prototype.query
pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
  const [first] = given as [string | { text?: string }]
  texts.push(typeof first === 'string' ? first : (first?.text ?? ''))
  return Reflect.apply(send, this, given)
} as never

process.on('message', (pattern: string) => {
  process.send!(texts.filter((text) => new RegExp(pattern).test(text)).length)
})
// Listening is no reason to go on.
process.channel?.unref()
