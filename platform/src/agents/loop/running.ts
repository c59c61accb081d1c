import type { Finding, Inspected } from '../../kernel/hazards/hazard.ts'
import type { ToolCallPart } from '../../models/message.ts'
import type { Model } from '../../models/model.ts'
import type { Prices } from '../agent.ts'
import type { StoredImage } from '../images/image.ts'
import type { MessageMode, RunEnd, ToolEnded } from '../journal/entry.ts'
import type { Recorder } from '../journal/recorder.ts'
import type { Redactor } from '../safety/redactor.ts'
import type { Tool } from '../tools/tool.ts'
import type { Pot } from './pot.ts'

export interface PricedModel {
  model: Model
  /** Of the model that answers under this name. */
  pricesOf(name: string): Prices | undefined
}

/** The model of an agent, the one that plans, or the one of a node of its graph. */
export type WhichModel = 'main' | 'planner' | { model: string }

export interface Incoming {
  id: string
  mode: MessageMode
  text: string
  images?: StoredImage[]
}

/** Everything that the loop needs of the world, so that replay can give it another. */
export interface Running {
  readonly id: string
  readonly recorder: Recorder
  readonly redactor: Redactor
  readonly pot: Pot
  readonly tools: ReadonlyMap<string, Tool>
  /** Changes with anything that a model is told of the tools. */
  readonly toolsDigest: string
  models(which: WhichModel): PricedModel
  /** The base64 of an image of the run; undefined where it is not kept any more. */
  image(hash: string): Promise<string | undefined>
  /** What is dangerous in code and paths, as far as reading them tells. Never rejects. */
  inspect(given: readonly Inspected[]): Promise<Finding[]>
  /** Messages that have come and were not read yet. */
  incoming(): Promise<Incoming[]>
  /** They are in the journal by now. */
  taken(ids: readonly string[]): Promise<void>
  /** Aborts when the run is cancelled, or is not ours any more. */
  readonly signal: AbortSignal
  /** Aborts when a message interrupts what is being done; another one each time. */
  interruption(): AbortSignal
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** An id for an approval. */
  newId(): string
  sign(text: string): string
  /** What the model says while it says it: for whoever watches. */
  tell(delta: { thread: string; type: 'text' | 'reasoning'; text: string }): void
  /** Saves the disk of the sandbox as it is after this step, if it is to be saved. Begins at once and is waited for before the disk changes again. */
  checkpoint(step: number): void
  /** What a call had as its result when this run was recorded; only in a replay. */
  replayed?(
    place: { thread: string; step: number },
    call: ToolCallPart,
  ): (ToolEnded & { isChanged?: boolean }) | undefined
}

/** What became of a conversation with a model. */
export type Turn =
  | { type: 'answer'; text: string }
  | { type: 'wait'; for: 'approval' | 'message' }
  | { type: 'end'; end: RunEnd }
