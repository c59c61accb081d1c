import { type Answer, type Platform, until } from '../platform.ts'
import { echo, ended, equal, made } from './function-verbs.ts'
import { queryRows } from './leftovers.ts'
import type { Verb } from './verbs.ts'

const slow = 'exports.handler = ({ ms }) => new Promise((done) => setTimeout(done, ms, ms))'

/** What instances of functions take from the quota of their organisation. */
export function quotaVerbs(): Verb[] {
  return [
    {
      name: 'an instance that counts in a quota, and ends',
      own: /^quota\.(hold|let_go)$/,
      prepare: (platform) => limited(platform, echo, { cpuCores: 8 }),
      async act(platform, name) {
        await invoke(platform, name, {})
        await platform.json('DELETE', `/v1/functions/${name}`)
        await untilAlive(platform, 'nothing is held', async () => (await heldBy(platform)) === 0)
      },
      async settled(platform, name) {
        // What an instance had that is gone is free, and what is free can be had.
        await unused(platform)
        await set(platform, { cpuCores: 1 })
        const { status } = await platform.call('GET', `/v1/functions/${name}`)
        if (status === 200) await invoke(platform, name, {})
        if (status === 200) equal(await heldBy(platform), 1)
        await set(platform, { cpuCores: null })
      },
    },
    {
      name: 'a queued call for which there is no room, until there is',
      own: /^function\.put_back$/,
      prepare: (platform) => limited(platform, slow, { memoryMb: 16 }),
      async act(platform, name) {
        await enqueue(platform, name)
        await untilAlive(platform, 'it waits on', () => isPutBack(platform, name))
        await set(platform, { memoryMb: null })
        await ended(platform, name, 1)
      },
      async settled(platform, name) {
        await set(platform, { memoryMb: null })
        // Whoever was cut off repeats it.
        await enqueue(platform, name)
        const calls = await ended(platform, name, 1)
        const seen = calls.map(({ state, result, attempt }) => [state, result, attempt])
        // What was cut off while it was being tried counts as a try.
        if (JSON.stringify(seen) !== '[["succeeded",1,2]]') equal(seen, [['succeeded', 1, 1]])
      },
    },
  ]
}

/** A function, and quotas from when nothing is held any more. */
async function limited(platform: Platform, source: string, quotas: object): Promise<string> {
  const name = await made(platform, source)
  await unused(platform)
  await set(platform, quotas)
  return name
}

function set(platform: Platform, quotas: object): Promise<Answer> {
  return platform.json('PUT', '/v1/quotas', { quotas })
}

/** An instance whose egress is metered. */
export function egressVerb(): Verb {
  return {
    name: 'an instance that reaches the internet, and ends',
    own: /^usage\.open$/,
    prepare: (platform) => made(platform, echo, { internet: true }),
    async act(platform, name) {
      await invoke(platform, name, {})
      await platform.json('DELETE', `/v1/functions/${name}`)
      await untilAlive(platform, 'nothing is metered', async () => (await metered(platform)) === 0)
    },
    async settled(platform, name) {
      if ((await platform.call('GET', `/v1/functions/${name}`)).status === 200) {
        await invoke(platform, name, {})
        await platform.json('DELETE', `/v1/functions/${name}`)
      }
      await until('nothing is metered', async () => (await metered(platform)) === 0, 60_000)
    },
  }
}

/** How many instances there are whose egress is metered. */
async function metered(platform: Platform): Promise<number> {
  return (await queryRows(platform.home, "select subject from usage_open where kind = 'egress'")).length
}

async function invoke(platform: Platform, name: string, event: object): Promise<void> {
  await platform.json('POST', `/v1/functions/${name}/invoke`, event)
}

async function enqueue(platform: Platform, name: string): Promise<void> {
  const headers = { 'idempotency-key': 'one', 'content-type': 'application/json' }
  const path = `/v1/functions/${name}/invocations`
  const reply = await platform.call('POST', path, JSON.stringify({ ms: 1 }), { headers })
  if (reply.status !== 202) throw new Error(`a call was answered by ${reply.status}`)
}

/** Processors that are held beside sandboxes, by the records and as the organisation sees it. */
async function heldBy(platform: Platform): Promise<number> {
  const { quotas } = await platform.json('GET', '/v1/quotas')
  return quotas.find(({ name }: Answer) => name === 'cpuCores').used
}

/** Whether a call was put back: it waits, and is due later than when it was asked for. */
async function isPutBack(platform: Platform, name: string): Promise<boolean> {
  const rows = await queryRows(
    platform.home,
    `select i.id from function_invocations i join functions f on f.id = i.function_id
      where f.name = '${name}' and i.state = 'waiting' and i.due_at > i.created_at + interval '900 milliseconds'`,
  )
  return rows.length > 0
}

/** The instance that a deploy has tried is gone. */
async function unused(platform: Platform): Promise<void> {
  await until('nothing is held', async () => (await heldBy(platform)) === 0, 30_000)
}

/** As `until`; it gives up at once where the platform has died. */
export function untilAlive(platform: Platform, what: string, holds: () => Promise<boolean>): Promise<boolean> {
  const look = async () => {
    if (platform.process.signalCode) throw new Error('the platform has died')
    return await holds()
  }
  return until(what, look, 60_000)
}
