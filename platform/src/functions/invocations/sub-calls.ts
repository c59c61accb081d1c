import { createHash } from 'node:crypto'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import { chooseVersion } from '../choose-version.ts'
import { type FunctionRecord, type FunctionVersion, most } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import type { AnswerAsked, AnswerHead, AskedCall, Failure } from './invocation.ts'

/** Where a call is among calls of calls. */
export interface CallTree {
  /** The one all of them come from. */
  rootId: string
  /** How many are above it. */
  depth: number
}

interface Parent {
  id: string
  record: FunctionRecord
  version: FunctionVersion
  tree?: CallTree | undefined
  call: { traceparent?: string | undefined }
}

interface Asked {
  asked: AskedCall
  answer: AnswerAsked
  /** The how manieth of its attempt. */
  number: number
}

interface Chosen extends Asked {
  functionId: string
  version: number
}

interface Made {
  key: string
  function_id: string
  payload_hash: string
}

interface Ended {
  id: string
  key: string
  state: 'succeeded' | 'failed'
  result: Buffer | null
  head: AnswerHead | null
  error: Failure | null
}

/** Answers that are read at once: each may be as long as is kept of a call. */
const mostAtOnce = 16
/** What ended without this process being told is seen so late, milliseconds. */
const lookMs = 2000

/**
 * The calls that one attempt of a call makes of functions. Each is in the queue before its end is waited for, and is found
 * again by its key: a later attempt makes none of them a second time.
 */
export class SubCalls {
  readonly #deps: FunctionDeps
  readonly #parent: Parent
  readonly #waiting = new Map<string, Asked[]>()
  #asked: Asked[] = []
  #count = 0
  #turn: Promise<void> = Promise.resolve()
  /** Apart from making calls: a program may ask for all before it reads the first answer. */
  #looking: Promise<void> = Promise.resolve()
  #next: Promise<void> = Promise.resolve()
  #lookDue = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: FunctionDeps, parent: Parent) {
    this.#deps = deps
    this.#parent = parent
  }

  /** Makes a call, unless an earlier attempt has, and answers when it has ended. Resolves when it is made; never rejects. */
  ask(asked: AskedCall, answer: AnswerAsked): Promise<void> {
    if (this.#closed) return Promise.resolve()
    if (this.#count === 0) {
      this.#deps.subCalls.set(this.#parent.id, this)
      this.#timer = setInterval(() => this.look(), lookMs).unref()
    }
    this.#count++
    this.#asked.push({ asked, answer, number: this.#count })
    // All that is asked for in one turn of the loop is made by one statement.
    if (this.#asked.length > 1) return this.#next
    this.#next = new Promise((resolve) =>
      setImmediate(() => resolve(this.#then(() => this.#make(this.#asked.splice(0))))),
    )
    return this.#next
  }

  /** Some of them may have ended. */
  look(): void {
    if (this.#closed || this.#lookDue || this.#waiting.size === 0) return
    this.#lookDue = true
    this.#looking = this.#looking
      .then(() => {
        this.#lookDue = false
        return this.#look()
      })
      .catch((error) => this.#warn(error))
  }

  /** The attempt is over; its calls go on. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    if (this.#deps.subCalls.get(this.#parent.id) === this) this.#deps.subCalls.delete(this.#parent.id)
  }

  #then(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work).catch((error) => this.#warn(error))
    return this.#turn
  }

  #warn(error: unknown): void {
    this.#deps.logger.warn({ err: error, invocation: this.#parent.id }, 'calls of a function could not be made or read')
  }

  async #make(all: Asked[]): Promise<void> {
    const chosen = (await Promise.all(all.map((one) => this.#choose(one)))).filter((one) => one !== undefined)
    try {
      const fresh = await this.#unmade(chosen)
      if (fresh.length > 0) await this.#enqueue(fresh)
    } catch (error) {
      const message = error instanceof WarrenError ? error.message : 'the call could not be recorded'
      const reason = error instanceof WarrenError ? 'refused' : 'unavailable'
      if (!(error instanceof WarrenError))
        this.#deps.logger.warn({ err: error }, 'calls of a function could not be recorded')
      for (const { answer } of chosen) await answer({ failure: { reason, message } })
      return
    }
    for (const one of chosen) {
      const { key } = one.asked
      if (!this.#waiting.get(key)?.push(one)) this.#waiting.set(key, [one])
    }
    this.look()
  }

  /** With the function that is meant; undefined where it was refused. */
  async #choose(one: Asked): Promise<Chosen | undefined> {
    const { record, version, tree } = this.#parent
    const { asked, answer } = one
    const refuse = async (message: string): Promise<undefined> => {
      await answer({ failure: { reason: 'refused', message } })
    }
    if (one.number > most.subCalls) return refuse(`a call may make ${most.subCalls} calls, and this is one more`)
    if ((tree?.depth ?? 0) >= most.depth)
      return refuse(`there are ${most.depth} calls above one another already, and this would be one more`)
    if (asked.payload.length > most.keptBytes)
      return refuse(`the payload has ${asked.payload.length} bytes, over ${most.keptBytes}`)
    try {
      const known = await this.#deps.store.get(record.accountId, asked.function)
      const { name, id } = known.record
      const { invokes } = version.settings
      if (id !== record.id && !invokes.includes('*') && !invokes.includes(name))
        return refuse(`function "${record.name}" may not call "${name}": its setting invokes does not name it`)
      return { ...one, functionId: id, version: chooseVersion(known, asked.version).version }
    } catch (error) {
      if (error instanceof WarrenError) return refuse(error.message)
      this.#warn(error)
      await answer({ failure: { reason: 'unavailable', message: 'the function could not be looked up' } })
      return undefined
    }
  }

  /** Those that no attempt has made yet. Throws where one of them was made with something else. */
  async #unmade(chosen: readonly Chosen[]): Promise<Chosen[]> {
    if (chosen.length === 0) return []
    const { rows } = await this.#deps.db.pool.query<Made>({
      name: 'function-calls-made',
      text: `select parent_key as key, function_id, md5(payload) as payload_hash from function_invocations
        where parent_id = $1 and parent_key = any($2)`,
      values: [this.#parent.id, chosen.map(({ asked }) => asked.key)],
    })
    const made = new Map(rows.map((row) => [row.key, row]))
    const fresh = new Map<string, Chosen>()
    for (const one of chosen) {
      const { key, payload } = one.asked
      const before = made.get(key) ?? madeOf(fresh.get(key))
      if (!before) fresh.set(key, one)
      else if (before.function_id !== one.functionId || before.payload_hash !== hashOf(payload))
        throw new WarrenError(
          'conflict',
          `the call "${key}" was made before, of another function or with another payload: give each a key of its own, and take what varies from a step`,
        )
    }
    return [...fresh.values()]
  }

  async #enqueue(calls: readonly Chosen[]): Promise<void> {
    const { id: parentId, record, tree, call } = this.#parent
    const statement = {
      name: 'function-call',
      text: `with tree as (
          insert into function_call_trees (root_id, calls, created_at) values ($3, $10, now())
          on conflict (root_id) do update set calls = function_call_trees.calls + excluded.calls
            where function_call_trees.calls + excluded.calls <= $11
          returning root_id
        ), made as (
          insert into function_invocations (id, account_id, function_id, version, trigger, state, payload, retry, due_at, created_at,
            parent_id, parent_key, root_id, depth)
          select asked.id, $1, asked.function_id, asked.version, 'function', 'waiting', asked.payload, $9::jsonb, now(), now(),
            $2, asked.key, $3, $4
          from unnest($5::text[], $6::text[], $7::int[], $8::bytea[], $12::text[]) as asked (id, function_id, version, payload, key), tree
          on conflict (parent_id, parent_key) where parent_id is not null do nothing
        ) select from tree`,
      values: [
        record.accountId,
        parentId,
        tree?.rootId ?? parentId,
        (tree?.depth ?? 0) + 1,
        calls.map(() => newId('c')),
        calls.map(({ functionId }) => functionId),
        calls.map(({ version }) => version),
        calls.map(({ asked }) => asked.payload),
        JSON.stringify(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
        calls.length,
        most.treeCalls,
        calls.map(({ asked }) => asked.key),
      ],
    }
    const { rowCount } = await step('function.call', parentId, () => this.#deps.db.pool.query(statement))
    if (rowCount === 0)
      throw new WarrenError('limit_exceeded', `${most.treeCalls} calls may come from one, and there would be more`)
    this.#deps.dispatcher.wake()
  }

  async #look(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#closed) {
      const { rows } = await this.#deps.db.pool.query<Ended>({
        name: 'function-calls-ended',
        text: `select id, parent_key as key, state, result, head, error from function_invocations
          where parent_id = $1 and parent_key = any($2) and ended_at is not null limit $3`,
        values: [this.#parent.id, [...this.#waiting.keys()], mostAtOnce],
      })
      if (rows.length === 0) return
      for (const row of rows) {
        const waiting = this.#waiting.get(row.key) ?? []
        this.#waiting.delete(row.key)
        for (const { answer } of waiting) await answer(answerOf(row))
      }
    }
  }
}

function answerOf({ id, state, result, head, error }: Ended) {
  if (state === 'succeeded') return { id, result: result ?? Buffer.alloc(0), head: head ?? undefined }
  return { id, failure: error ?? { reason: 'unavailable' as const, message: 'the call failed' } }
}

function madeOf(one: Chosen | undefined): Made | undefined {
  return one && { key: one.asked.key, function_id: one.functionId, payload_hash: hashOf(one.asked.payload) }
}

function hashOf(payload: Buffer): string {
  return createHash('md5').update(payload).digest('hex')
}
