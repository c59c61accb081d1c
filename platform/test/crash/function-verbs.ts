import { readdirSync } from 'node:fs'
import { type Answer, type Platform, until } from '../platform.ts'
import type { Verb } from './verbs.ts'

/** A function that is always there, so that a worker waits whatever becomes of the others. */
const base = 'base'
const bucket = 'crashes'
const patienceMs = 120_000

export const echo = 'exports.handler = async (event) => event'
const parent = `exports.handler = async ({ n }, context) => {
  const first = await context.step('first', () => n)
  const all = await context.all([1, 2].map((n) => ({ function: '${base}', payload: n })))
  return [first, ...all]
}`

/** Makes what the verbs need. */
export async function prepareFunctions(platform: Platform): Promise<void> {
  await deploy(platform, base, echo)
  await platform.json('POST', '/v1/buckets', { name: bucket })
}

/** How many workers the platform knows of: the instances of each function, and at least one that is ready. */
export async function workersOf(platform: Platform): Promise<number> {
  const { functions } = await platform.json('GET', '/v1/functions')
  const metrics = await (await platform.call('GET', '/metrics')).text()
  // More than the operator's one where many were claimed in the last minute.
  const ready = Number(/^function_workers_ready (\d+)$/m.exec(metrics)?.[1] ?? 0)
  return functions.reduce((sum: number, { instances }: Answer) => sum + instances, Math.max(1, ready))
}

/** What can be done with functions. Each verb has one of its own. */
export function functionVerbs(): Verb[] {
  return [
    {
      name: 'deploy a function',
      prepare: nameOnly,
      act: (platform, name) => deploy(platform, name, version(1)),
      async settled(platform, name, acknowledged) {
        const { status } = await platform.call('GET', `/v1/functions/${name}`)
        if (status !== 200 && acknowledged) throw new Error(`an acknowledged deploy, and ${status}`)
        if (status === 200) await answers(platform, name, [1])
        codeIsNamed(platform, await codesOf(platform))
      },
    },
    {
      name: 'deploy a later version',
      prepare: (platform) => made(platform, version(1)),
      act: (platform, name) => deploy(platform, name, version(2)),
      async settled(platform, name, acknowledged) {
        await answers(platform, name, acknowledged ? [2] : [1, 2])
        codeIsNamed(platform, await codesOf(platform))
      },
    },
    {
      name: 'remove a function',
      prepare: (platform) => made(platform, version(1)),
      act: (platform, name) => platform.json('DELETE', `/v1/functions/${name}`),
      async settled(platform, name, acknowledged) {
        const { status } = await platform.call('GET', `/v1/functions/${name}`)
        if (status === 200 && acknowledged) throw new Error('an acknowledged removal, and it is there')
        if (status === 200) await answers(platform, name, [1])
      },
    },
    {
      name: 'call',
      prepare: (platform) => made(platform, echo),
      async act(platform, name) {
        await platform.json('POST', `/v1/functions/${name}/invoke`, { n: 1 })
      },
      async settled(platform, name, acknowledged) {
        const states = (await callsOf(platform, name)).map(({ state }) => state)
        if (states.length > 1 || states.some((state) => state !== 'succeeded') || (acknowledged && states.length === 0))
          throw new Error(`one call was ${acknowledged ? 'answered' : 'cut off'}, and there are: ${states}`)
      },
    },
    {
      name: 'call asynchronously with a key',
      prepare: (platform) => made(platform, echo),
      async act(platform, name) {
        await enqueueOnce(platform, name, { n: 7 })
        await ended(platform, name, 1)
      },
      async settled(platform, name) {
        // Whoever was cut off repeats it.
        await enqueueOnce(platform, name, { n: 7 })
        const calls = await ended(platform, name, 1)
        equal(
          calls.map(({ state, result }) => [state, result]),
          [['succeeded', { n: 7 }]],
        )
      },
    },
    {
      name: 'call a function that calls others',
      prepare: (platform) => made(platform, parent, { invokes: [base] }),
      async act(platform, name) {
        await enqueueOnce(platform, name, { n: 7 })
        await ended(platform, name, 1)
      },
      async settled(platform, name) {
        await enqueueOnce(platform, name, { n: 7 })
        const [call] = await ended(platform, name, 1)
        equal(call!.result, [7, 1, 2])
        const others = (await callsOf(platform, base)).filter((other) => other.parent === call!.id)
        equal(others.map(({ result }) => result).sort(), [1, 2])
      },
    },
    {
      name: 'call by the clock',
      prepare: (platform) => made(platform, echo),
      async act(platform, name) {
        const schedule = { cron: '* * * * * *', catchUp: 'all' }
        await platform.json('POST', `/v1/functions/${name}/schedules`, schedule)
        await ended(platform, name, 2)
      },
      async settled(platform, name) {
        const { schedules } = await platform.json('GET', `/v1/functions/${name}/schedules`)
        if (schedules.length === 0) return
        await ended(platform, name, 3)
        await platform.json('DELETE', `/v1/functions/${name}/schedules/${schedules[0].id}`)
        const calls = await ended(platform, name, 0)
        const times = calls.map(({ result }) => Date.parse(result.time)).sort((a, b) => a - b)
        const gaps = times.slice(1).map((time, at) => time - times[at]!)
        if (gaps.some((gap) => gap !== 1000)) throw new Error(`times were left out or told twice: ${gaps}`)
      },
    },
    {
      name: 'call by a message',
      own: /^queue\.delete$|^function\.end$/,
      async prepare(platform) {
        const name = await made(platform, echo)
        await platform.json('PUT', `/v1/queues/${name}`, {})
        await platform.json('POST', `/v1/queues/${name}/messages`, { messages: [{ body: name }] })
        return name
      },
      async act(platform, name) {
        await platform.json('PUT', `/v1/queues/${name}`, { function: name })
        await ended(platform, name, 1)
        await until('its message is gone', async () => (await messagesOf(platform, name)) === 0)
      },
      async settled(platform, name) {
        // One that is still there is given again, later than this waits.
        const left = await messagesOf(platform, name)
        const calls = await callsOf(platform, name)
        if (left === 0 && calls.length !== 1)
          throw new Error(`its message is gone, and ${calls.length} calls are known`)
        await platform.json('DELETE', `/v1/queues/${name}`)
      },
    },
    {
      name: 'call by an object',
      async prepare(platform) {
        const name = await made(platform, echo)
        await platform.json('POST', `/v1/functions/${name}/storage-triggers`, { bucket, prefix: name })
        return name
      },
      async act(platform, name) {
        await platform.json('PUT', `/v1/buckets/${bucket}/objects/${name}`, 'content')
        await ended(platform, name, 1)
      },
      async settled(platform, name, acknowledged) {
        const { status } = await platform.call('GET', `/v1/buckets/${bucket}/objects/${name}`)
        if (status !== 200 && acknowledged) throw new Error(`an acknowledged object, and ${status}`)
        if (status === 200) await ended(platform, name, 1)
        // Were there a second call by the first object, it would be there before that of the next.
        await platform.json('PUT', `/v1/buckets/${bucket}/objects/${name}-last`, 'content')
        const calls = await ended(platform, name, status === 200 ? 2 : 1)
        const keys = calls.map(({ result }) => result.data.key).sort()
        equal(keys, [...(status === 200 ? [name] : []), `${name}-last`])
      },
    },
    {
      name: 'call by an event',
      async prepare(platform) {
        const name = await made(platform, echo)
        await platform.json('POST', `/v1/functions/${name}/event-triggers`, { events: ['bucket.created'] })
        return name
      },
      async act(platform, name) {
        await platform.json('POST', '/v1/buckets', { name: `${name}-one` })
        await ended(platform, name, 1)
      },
      async settled(platform, name, acknowledged) {
        const { status } = await platform.call('GET', `/v1/buckets/${name}-one`)
        if (status !== 200 && acknowledged) throw new Error(`an acknowledged bucket, and ${status}`)
        await platform.json('POST', '/v1/buckets', { name: `${name}-last` })
        const calls = await ended(platform, name, status === 200 ? 2 : 1)
        const buckets = calls.map(({ result }) => result.data.bucket).sort()
        equal(buckets, [`${name}-last`, ...(status === 200 ? [`${name}-one`] : [])])
        for (const bucket of buckets) await platform.json('DELETE', `/v1/buckets/${bucket}`)
      },
    },
    {
      name: 'take a webhook',
      async prepare(platform) {
        const name = await made(platform, echo)
        hookOf.set(name, await platform.json('POST', `/v1/functions/${name}/hooks`, { idHeader: 'x-id' }))
        return name
      },
      async act(platform, name) {
        await deliver(platform, name)
        await ended(platform, name, 1)
      },
      async settled(platform, name) {
        // Whoever had no answer sends it again.
        await deliver(platform, name)
        const calls = await ended(platform, name, 1)
        equal(
          calls.map(({ state, trigger }) => [state, trigger]),
          [['succeeded', 'webhook']],
        )
      },
    },
    {
      name: 'make a route',
      prepare: (platform) => made(platform, echo),
      act: (platform, name) => platform.json('POST', '/v1/routes', { path: `/${name}/{id}`, function: name }),
      async settled(platform, name, acknowledged) {
        const again = await platform.call('POST', '/v1/routes', { path: `/${name}/{other}`, function: name })
        if (again.status !== (acknowledged ? 409 : again.status) || ![201, 409].includes(again.status))
          throw new Error(
            `a route was ${acknowledged ? 'made' : 'cut off'}, and another is answered by ${again.status}`,
          )
        const { status } = await platform.call('GET', `/r/org0/${name}/7`)
        if (status !== 200) throw new Error(`its requests are answered by ${status}`)
      },
    },
    {
      name: 'give a function other memory',
      own: /^function\.resize$/,
      prepare: (platform) => made(platform, large, { memoryMb: 96, autoMemory: true }),
      async act(platform, name) {
        const { status } = await platform.call('POST', `/v1/functions/${name}/invoke`, { mib: 300 })
        if (status !== 502) throw new Error(`a call that has no memory left was answered by ${status}`)
        await resized(platform, name)
      },
      async settled(platform, name) {
        // What the call came to is known again, so it has it in the end, once and as a whole.
        await resized(platform, name)
        const { versions, live } = await platform.json('GET', `/v1/functions/${name}`)
        equal([live, versions.length], [[{ version: 2, weight: 100 }], 2])
        await answers(platform, name, [1])
      },
    },
    removal('a route', /^route\.remove$/, {
      async make(platform, name) {
        const { id } = await platform.json('POST', '/v1/routes', { path: `/${name}/{id}`, function: name })
        return { path: `/v1/routes/${id}`, id, list: '/v1/routes', field: 'routes' }
      },
      async settled(platform, name, isThere) {
        const { status } = await platform.call('GET', `/r/org0/${name}/7`)
        if (status !== (isThere ? 200 : 404)) throw new Error(`its requests are answered by ${status}`)
      },
    }),
    removal('a schedule', /^schedule\.remove$/, {
      make: (platform, name) => triggerOf(platform, name, { kind: 'schedules', input: { cron: '0 0 1 1 *' } }),
    }),
    removal('a hook', /^hook\.remove$/, {
      make: (platform, name) => triggerOf(platform, name, { kind: 'hooks', input: {} }),
    }),
    removal('a trigger by objects', /^storage_trigger\.remove$/, {
      make: (platform, name) => triggerOf(platform, name, { kind: 'storage-triggers', input: { bucket } }),
    }),
    removal('a trigger by events', /^event_trigger\.remove$/, {
      make: (platform, name) =>
        triggerOf(platform, name, { kind: 'event-triggers', input: { events: ['bucket.created'] } }),
    }),
    removal('a queue', /^queue\.remove$/, {
      async make(platform, name) {
        await platform.json('PUT', `/v1/queues/${name}`, {})
        await platform.json('POST', `/v1/queues/${name}/messages`, { messages: [{ body: 1 }] })
        return { path: `/v1/queues/${name}`, id: name, list: '/v1/queues', field: 'queues' }
      },
      async settled(platform, name, isThere) {
        // One that is made anew has nothing of the one before.
        const { waiting } = await platform.json('PUT', `/v1/queues/${name}`, {})
        if (waiting !== (isThere ? 1 : 0)) throw new Error(`${waiting} messages wait in it`)
      },
    }),
  ]
}

/** Something that leads to calls, and where it is listed. */
interface Listed {
  path: string
  id: string
  list: string
  field: string
}

const removed = new Map<string, Listed>()

/** Taking away something that belongs to a function: it is there as a whole or not at all, and if not it leads to nothing. */
function removal(
  what: string,
  own: RegExp,
  {
    make,
    settled,
  }: {
    make: (platform: Platform, name: string) => Promise<Listed>
    settled?: (platform: Platform, name: string, isThere: boolean) => Promise<void>
  },
): Verb {
  return {
    name: `remove ${what}`,
    own,
    async prepare(platform) {
      const name = await made(platform, echo)
      removed.set(name, await make(platform, name))
      return name
    },
    act: (platform, name) => platform.json('DELETE', removed.get(name)!.path),
    async settled(platform, name, acknowledged) {
      const { path, id, list, field } = removed.get(name)!
      const listed: Answer[] = (await platform.json('GET', list))[field]
      const isThere = listed.some((one) => one.id === id || one.name === id)
      if (isThere && acknowledged) throw new Error('an acknowledged removal, and it is there')
      await settled?.(platform, name, isThere)
      await platform.call('DELETE', path)
    },
  }
}

async function triggerOf(
  platform: Platform,
  name: string,
  { kind, input }: { kind: string; input: object },
): Promise<Listed> {
  const list = `/v1/functions/${name}/${kind}`
  const { id } = await platform.json('POST', list, input)
  return { path: `${list}/${id}`, id, list, field: kind.endsWith('-triggers') ? 'triggers' : kind }
}

/** Answers 1; takes as much memory as it is told to. */
const large = 'exports.handler = async ({ mib = 0 }) => (Buffer.alloc(mib << 20, 1), 1)'

async function messagesOf(platform: Platform, queue: string): Promise<number> {
  const { waiting, inFlight } = await platform.json('GET', `/v1/queues/${queue}`)
  return waiting + inFlight
}

function resized(platform: Platform, name: string): Promise<boolean> {
  return until(
    `${name} has other memory`,
    async () => {
      if (platform.process.signalCode) throw new Error('the platform has died')
      return (await platform.json('GET', `/v1/functions/${name}`)).latest > 1
    },
    patienceMs,
  )
}

const hookOf = new Map<string, { url: string }>()

async function deliver(platform: Platform, name: string): Promise<void> {
  const { pathname } = new URL(hookOf.get(name)!.url)
  const { status } = await platform.fetch(pathname, { method: 'POST', body: '{}', headers: { 'x-id': 'one' } })
  if (status !== 202) throw new Error(`a delivery was answered by ${status}`)
}

const version = (number: number) => `exports.handler = async () => ${number}`

let count = 0
/** Those of earlier verbs go first. */
async function nameOnly(platform: Platform): Promise<string> {
  const { functions } = await platform.json('GET', '/v1/functions')
  for (const { name } of functions) if (name !== base) await platform.json('DELETE', `/v1/functions/${name}`)
  count++
  return `f${count}`
}

export async function made(platform: Platform, source: string, settings: object = {}): Promise<string> {
  const name = await nameOnly(platform)
  await deploy(platform, name, source, settings)
  return name
}

async function deploy(platform: Platform, name: string, source: string, settings: object = {}): Promise<void> {
  // The same code twice would be the same file.
  const text = `${source} // ${name}`
  const files = { 'index.js': Buffer.from(text).toString('base64') }
  await platform.json('PUT', `/v1/functions/${name}`, { runtime: 'node24', files, settings })
}

async function answers(platform: Platform, name: string, wanted: number[]): Promise<void> {
  const answer = await platform.json('POST', `/v1/functions/${name}/invoke`, {})
  if (!wanted.includes(answer)) throw new Error(`version ${answer} answers, not ${wanted}`)
}

async function enqueueOnce(platform: Platform, name: string, event: object): Promise<void> {
  const headers = { 'idempotency-key': 'one', 'content-type': 'application/json' }
  const reply = await platform.call('POST', `/v1/functions/${name}/invocations`, JSON.stringify(event), { headers })
  if (reply.status !== 202) throw new Error(`a call was answered by ${reply.status}`)
}

async function callsOf(platform: Platform, name: string): Promise<Answer[]> {
  return (await platform.json('GET', `/v1/functions/${name}/invocations?limit=1000`)).invocations
}

/** The calls of a function that have ended, once there are so many; with 0 once none is left to be made. */
export function ended(platform: Platform, name: string, least: number): Promise<Answer[]> {
  const isOver = ({ state }: Answer) => state === 'succeeded' || state === 'failed'
  return until(
    `${name} was called`,
    async () => {
      if (platform.process.signalCode) throw new Error('the platform has died')
      const calls = await callsOf(platform, name)
      const over = calls.filter(isOver)
      return over.length >= least && (least > 0 || over.length === calls.length) ? over : undefined
    },
    patienceMs,
  )
}

async function codesOf(platform: Platform): Promise<string[]> {
  const { functions } = await platform.json('GET', '/v1/functions')
  const codes = functions.flatMap(({ versions }: Answer) => versions.map(({ codeHash }: Answer) => codeHash))
  return [...new Set<string>(codes)]
}

/** Right after a start nothing of an attempt is left on the disk, and nothing that is named is missing. */
function codeIsNamed({ home }: Platform, codes: string[]): void {
  equal(readdirSync(`${home}/functions/code`).sort(), codes.sort())
}

export function equal(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`there is ${left}, and not ${right}`)
}
