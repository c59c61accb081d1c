import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { lexicalEmbedding } from '../../kernel/experience/embed-text.ts'
import { ExperienceStore, type Remembered } from '../../kernel/experience/experience-store.ts'
import type { Experience } from '../../kernel/experience/record-format.ts'
import { step } from '../../lib/step.ts'
import type { Cost, EndReason } from '../journal/entry.ts'
import type { RunState } from '../journal/run-state.ts'
import { oneLine } from '../one-line.ts'
import type { Meanings } from './meanings.ts'

/** What is kept of a run that has ended; its text is its task. */
export interface RunExperience {
  agent: string
  outcome: EndReason
  /** The tasks of its plan, in order. */
  plan: string[]
  /** Each tool that it has called, and how often. */
  tools: Record<string, number>
  answer: string
  steps: number
  usage: Cost
}

const mostShown = 3
/** Less alike tasks tell nothing of each other. */
const leastAlike = 0.35
/** The same by the vectors of a model. */
const leastMeant = 0.5
/** Of those that have no vector so many are given one at once. */
const filledAtOnce = 64
const mostTaskChars = 4000
const mostAnswerChars = 400
/** Of all that a run is told of earlier ones, characters. */
const mostToldChars = 3000
/** Organisations whose experiences are in memory. */
const mostOpen = 32
/** Of one organisation; then the oldest is forgotten for the next one. */
const mostKept = 10_000

type Store = ExperienceStore<RunExperience>

interface Opened {
  store: Promise<Store>
  /** How many work with it: it is not closed meanwhile. */
  users: number
}

/** The experiences of organisations: a log for each. Runs become experiences, and tell those that have a like task. */
export class Experiences {
  readonly #folder: string
  readonly #meanings: Meanings | undefined
  readonly #open = new Map<string, Opened>()
  /** Those that are being closed: a file has one writer. */
  readonly #closing = new Map<string, Promise<void>>()
  /** Organisations whose experiences are being given vectors. */
  readonly #filling = new Set<string>()

  /** `meanings`: what makes vectors of tasks; without, experiences are found by their words and how these are written. */
  constructor(home: string, meanings?: Meanings) {
    this.#meanings = meanings
    this.#folder = join(home, 'experiences')
  }

  /** Keeps what a run has come to, unless it is kept. */
  async learn(accountId: string, id: string, state: RunState | undefined): Promise<void> {
    const task = state && (state.started.input || state.said[0])
    if (!state?.end || !task || state.end.reason === 'cancelled') return
    const at = state.endedAt
    const data: RunExperience = {
      agent: state.started.spec.name,
      outcome: state.end.reason,
      plan: state.plan?.steps.map((planned) => planned.task) ?? [],
      tools: Object.fromEntries(state.called),
      answer: (state.end.output ?? state.end.message ?? '').slice(0, mostAnswerChars),
      steps: state.steps,
      usage: state.usage,
    }
    await this.#with(accountId, async (store) => {
      if (store.get(id)?.at === at) return
      const text = task.slice(0, mostTaskChars)
      const values = await this.#meanings?.ofOne(text)
      const vector = values && { space: this.#meanings!.space, values }
      await store.put({ id, at, text, data, ...(vector && { vector }) })
      if (store.size > mostKept) await store.remove(store.oldest!.id, at)
    })
  }

  /** What runs of this agent with a like task have come to, in words for whoever plans the next one; undefined where there was none. */
  async lessons(accountId: string, agent: string, task: string): Promise<string | undefined> {
    if (!task) return undefined
    const accepts = ({ data }: Experience<RunExperience>) => data.agent === agent
    const alike = await this.#search(accountId, task, { most: 2 * mostShown, accepts })
    const found = alike.filter(isAlike).slice(0, mostShown)
    if (found.length === 0) return undefined
    const told = found.map(({ experience: { text, data } }) =>
      [
        `- Task: ${oneLine(text, 300)}`,
        `  Outcome: ${data.outcome} after ${data.steps} steps, ${data.usage.inputTokens + data.usage.outputTokens} tokens`,
        ...(data.plan.length > 0 ? [`  Plan: ${oneLine(data.plan.join(' → '), 500)}`] : []),
        ...(Object.keys(data.tools).length > 0 ? [`  Tools: ${oneLine(toolsText(data.tools), 200)}`] : []),
        ...(data.answer ? [`  Result: ${oneLine(data.answer, 200)}`] : []),
      ].join('\n'),
    )
    // What others have written is information, and no instruction.
    const head = 'Earlier runs with similar tasks, as information only; their results may be out of date:'
    return [head, ...told].join('\n').slice(0, mostToldChars)
  }

  /** The newest, or those whose task is like a given one. */
  async find(
    accountId: string,
    { like, agent, limit }: { like?: string; agent?: string; limit: number },
  ): Promise<{ experience: Experience<RunExperience>; score?: number }[]> {
    const accepts = ({ data }: Experience<RunExperience>) => agent === undefined || data.agent === agent
    if (like !== undefined) {
      const found = await this.#search(accountId, like, { most: limit, accepts })
      return found.map(({ experience, score, meant = score }) => ({ experience, score: meant }))
    }
    return this.#with(accountId, (store) => {
      const newest = store.all().filter(accepts).reverse().slice(0, limit)
      return newest.map((experience) => ({ experience }))
    })
  }

  /** False when there is none of that run. */
  forget(accountId: string, runId: string, at: number): Promise<boolean> {
    return this.#with(accountId, (store) => store.remove(runId, at))
  }

  async close(): Promise<void> {
    for (const accountId of this.#open.keys()) this.#putAway(accountId)
    await Promise.all(this.#closing.values())
  }

  /** Best first: by words and, where there is a model for vectors, by what they mean. */
  #search(
    accountId: string,
    asked: string,
    { most, accepts }: { most: number; accepts: (experience: Experience<RunExperience>) => boolean },
  ): Promise<Remembered<RunExperience>[]> {
    const text = asked.slice(0, mostTaskChars)
    return this.#with(accountId, async (store) => {
      if (this.#meanings) void this.#fill(accountId, this.#meanings)
      const vector = store.hasMeanings ? await this.#meanings?.ofOne(text) : undefined
      return store.search(text, most, { accepts, vector })
    })
  }

  /** Gives vectors to experiences that have none of this model: from before it was set, or from when it failed. */
  async #fill(accountId: string, meanings: Meanings): Promise<void> {
    if (this.#filling.has(accountId)) return
    this.#filling.add(accountId)
    const some = async (store: Store): Promise<boolean> => {
      const lacking = store.withoutMeaning(filledAtOnce)
      const made = lacking.length > 0 ? await meanings.of(lacking.map(({ text }) => text)) : undefined
      for (const [place, experience] of lacking.entries()) {
        if (made) await store.give(experience, { space: meanings.space, values: made[place]! })
      }
      return made !== undefined
    }
    try {
      while (await this.#with(accountId, some)) {}
    } catch {
      // It is tried again when somebody looks for something.
    } finally {
      this.#filling.delete(accountId)
    }
  }

  async #with<T>(accountId: string, work: (store: Store) => T | Promise<T>): Promise<T> {
    const opened = this.#open.get(accountId) ?? { store: this.#load(accountId), users: 0 }
    // The one that was used last is the last.
    this.#open.delete(accountId)
    this.#open.set(accountId, opened)
    opened.users++
    try {
      return await work(await opened.store)
    } finally {
      opened.users--
      // A failure is not remembered.
      opened.store.catch(() => this.#open.get(accountId) === opened && this.#open.delete(accountId))
      const unused = [...this.#open].find(([, { users }]) => users === 0)
      if (unused && this.#open.size > mostOpen) this.#putAway(unused[0])
    }
  }

  #putAway(accountId: string): void {
    const { store } = this.#open.get(accountId)!
    this.#open.delete(accountId)
    const closed = store
      .then((one) => one.close())
      .catch(() => {})
      .finally(() => this.#closing.delete(accountId))
    this.#closing.set(accountId, closed)
  }

  async #load(accountId: string): Promise<Store> {
    await this.#closing.get(accountId)
    await step('experience.folder', this.#folder, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }))
    return await ExperienceStore.open(
      join(this.#folder, `${encodeURIComponent(accountId)}.log`),
      lexicalEmbedding,
      this.#meanings?.space,
    )
  }
}

function isAlike({ score, meant, hasWords }: Remembered<RunExperience>): boolean {
  if (meant === undefined) return score >= leastAlike
  return meant >= leastMeant || (hasWords && score >= leastAlike)
}

function toolsText(tools: Record<string, number>): string {
  return Object.entries(tools)
    .map(([name, times]) => `${name} × ${times}`)
    .join(', ')
}
