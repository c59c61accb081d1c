import { anthropic } from './apis/anthropic/wire.ts'
import { gemini } from './apis/gemini/wire.ts'
import { type ChatVendorName, chatVendors } from './apis/openai-chat/vendors.ts'
import { openaiChat } from './apis/openai-chat/wire.ts'
import { openaiResponses } from './apis/openai-responses/wire.ts'
import { type HttpModelOptions, httpModel, type ModelDeps } from './http-model.ts'
import type { Api } from './message.ts'
import type { Model } from './model.ts'
import type { Wire } from './wire/wire.ts'
import { withDeadline } from './with-deadline.ts'
import { withKeyRotation } from './with-key-rotation.ts'
import { type RetryOptions, withRetries } from './with-retries.ts'

export interface ModelSettings extends Omit<HttpModelOptions, 'wire' | 'key'> {
  api: Api
  /** Who speaks Chat Completions there; `compatible` where it is none of those known. */
  vendor?: ChatVendorName
  keys?: readonly string[]
  retries?: RetryOptions
  /** For one answer in all, with its retries. */
  deadlineMs?: number
}

/** The wire of `api`. Those of `openai-chat` differ by vendor. */
export function wireOf(api: Api, vendor: ChatVendorName = 'openai'): Wire {
  switch (api) {
    case 'openai-chat':
      return openaiChat(chatVendors[vendor])
    case 'openai-responses':
      return openaiResponses
    case 'anthropic':
      return anthropic
    case 'gemini':
      return gemini
  }
}

/** A model as an operator names it: with its keys in turn, retries and a deadline. */
export function openModel(deps: ModelDeps, settings: ModelSettings): Model {
  const { api, vendor, keys = [], retries, deadlineMs, ...options } = settings
  const name = options.name ?? `${vendor ?? api}/${options.model}`
  const wire = wireOf(api, vendor)
  const rotated = withKeyRotation(
    keys,
    (key, own) => httpModel(deps, { ...options, wire, name: own ?? name, ...(key && { key }) }),
    { now: deps.now },
  )
  const retried = withRetries(rotated, retries)
  return deadlineMs === undefined ? retried : withDeadline(retried, deadlineMs)
}
