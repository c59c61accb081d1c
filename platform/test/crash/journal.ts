/**
 * Loaded into the platform's own process by `node --import`: listens to its journal of steps, tells which there were, kills
 * the process at one of them, and reports every lasting effect that is part of no step. Told what to do by the parent
 * process, or, for what happens at the start, by WARREN_TEST_JOURNAL.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import childProcess from 'node:child_process'
import { tracingChannel } from 'node:diagnostics_channel'
import fs from 'node:fs'
import fsPromises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import pg from 'pg'
import type { Step } from '../../src/lib/step.ts'
import type { Order, Point, StepTaken, Told } from './points.ts'

const current = new AsyncLocalStorage<StepTaken>()
const begun = new WeakMap<object, StepTaken>()
let taken: StepTaken[] = []
let point: Point | null = null

const journal = tracingChannel<Step, Step>('warren.step')
journal.start.bindStore(current as AsyncLocalStorage<unknown> as AsyncLocalStorage<Step>, (step) => {
  const { name } = step as Step
  const occurrence = 1 + taken.filter((other) => other.step === name).length
  const entry = { step: name, occurrence, effects: 0 }
  taken.push(entry)
  begun.set(step as object, entry)
  dieAt(entry, 'before')
  return entry as unknown as Step
})
journal.asyncEnd.subscribe((step) => {
  const entry = begun.get(step as object)
  if (entry) dieAt(entry, 'after')
})

function dieAt({ step, occurrence }: StepTaken, moment: Point['moment']): void {
  if (point?.step !== step || point.occurrence !== occurrence || point.moment !== moment) return
  process.kill(process.pid, 'SIGKILL')
}

function effect(what: string): void {
  const entry = current.getStore()
  if (!entry) {
    tell({ outside: `${what}${new Error().stack?.split('\n').slice(3, 6).join('')}` })
    return
  }
  entry.effects++
  // The first effect begins where its step does.
  if (entry.effects > 1) dieAt(entry, entry.effects)
}

function tell(message: Told): void {
  process.send?.(message)
}

function obey(order: Order): void {
  if ('arm' in order) {
    taken = []
    point = order.arm
    tell({ armed: true })
  } else tell({ taken })
}

process.on('message', obey)
process.channel?.unref()
// What it takes to stop can only be told afterwards.
const { writeFileSync } = fs
process.on('exit', () => writeFileSync(`${process.env.WARREN_HOME}.journal`, JSON.stringify(taken)))
const atStart = process.env.WARREN_TEST_JOURNAL
if (atStart) point = JSON.parse(atStart)

// Everything by which a lasting effect can be made in Node: should one be missing here, its step is still there.
type Callable = (...args: unknown[]) => unknown
const changes = 'appendFile chmod chown copyFile cp link mkdir mkdtemp rename rm rmdir symlink truncate unlink'
for (const name of changes.split(' ')) {
  announce(fsPromises, name)
  announce(fs, `${name}Sync`)
}
announce(fs, 'writeFileSync')
// That this process stays where it is changes nothing.
announce(
  fsPromises,
  'writeFile',
  ([path, text]) => !/cgroup\.procs$/.test(String(path)) || text !== String(process.pid),
)
announce(fsPromises, 'open', ([, flags]) => typeof flags === 'string' && /[wax+]/.test(flags))
announce(childProcess, 'spawn', (args) => (args[2] as { detached?: boolean } | undefined)?.detached === true)
syncBuiltinESMExports()

const viaPool = new AsyncLocalStorage<boolean>()
const query = pg.Pool.prototype.query as unknown as Callable
pg.Pool.prototype.query = function (this: unknown, ...args: unknown[]) {
  if (writes(args)) effect(`query ${textOf(args)}`)
  return viaPool.run(true, () => query.apply(this, args))
} as typeof pg.Pool.prototype.query
// What waits for a connection is asked when somebody else gives one back, and is still its own step's.
const connect = pg.Pool.prototype.connect as unknown as Callable
pg.Pool.prototype.connect = function (this: unknown, ...args: unknown[]) {
  return connect.apply(
    this,
    args.map((arg) => (typeof arg === 'function' ? AsyncResource.bind(arg as Callable) : arg)),
  )
} as typeof pg.Pool.prototype.connect
announce(pg.Client.prototype, 'query', (args) => !viaPool.getStore() && writes(args))

function announce(on: object, name: string, isEffect: (args: unknown[]) => boolean = () => true): void {
  const functions = on as Record<string, Callable>
  const original = functions[name]!
  functions[name] = function (this: unknown, ...args: unknown[]) {
    if (isEffect(args)) effect(`${name} ${String(typeof args[0] === 'object' ? textOf(args) : args[0])}`)
    return original.apply(this, args)
  }
}

function textOf([query]: unknown[]): string {
  return typeof query === 'string' ? query : String((query as { text?: string })?.text)
}

function writes(args: unknown[]): boolean {
  const text = textOf(args)
  return !/^\s*(select|show)\b/i.test(text) || text.includes('reserve_')
}
