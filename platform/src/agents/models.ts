import { WarrenError } from '../errors.ts'
import type { EmbedderSettings } from '../models/embedder.ts'
import { textOf } from '../models/message.ts'
import type { Model, ModelRequest } from '../models/model.ts'
import { type ModelSettings, openModel } from '../models/open-model.ts'
import { type ScriptStep, scriptedModel, scriptedName } from '../models/scripted.ts'
import { withFailover } from '../models/with-failover.ts'
import type { AgentSpec, Prices } from './agent.ts'
import type { PricedModel, WhichModel } from './loop/running.ts'

interface Endpoint {
  api: ModelSettings['api']
  vendor: NonNullable<ModelSettings['vendor']> | undefined
  url: string | undefined
  keys: string[]
  prices: Prices | undefined
}

/** The models that the operator has set. */
export interface ModelConfig extends Endpoint {
  /** Without a model agents have only their scripts. */
  model: string | undefined
  smallModel: string | undefined
  /** Asked for what the others fail to answer. */
  fallback: (Endpoint & { model: string }) | undefined
  /** What makes vectors of documents. */
  embedding?: EmbedderSettings | undefined
}

export interface ModelSource {
  /** The model of an agent. `answers` tells how many answers its run has: where a script goes on. */
  of(spec: AgentSpec, which: WhichModel, answers: () => number): PricedModel
  /** Throws `invalid_request` where an agent asks for what there is not. */
  check(spec: AgentSpec): void
  /** Who a model is of, by the names that OpenTelemetry's conventions have. */
  providerOf(model: string): string
  /** Values that must not be written down. */
  secrets: readonly string[]
}

/** Models by their names in agents. Those of a vendor are opened once. */
export function modelSource(config: ModelConfig, newId: () => string): ModelSource {
  const openAt = ({ api, vendor, url, keys }: Endpoint, model: string): Model =>
    openModel(
      { fetch: globalThis.fetch, now: Date.now, newId },
      { api, model, keys, deadlineMs: 900_000, ...(vendor && { vendor }), ...(url && { baseUrl: url }) },
    )
  const fallback = config.fallback && openAt(config.fallback, config.fallback.model)
  const opened = new Map<string, Model>()
  const open = (model: string): Model => {
    const known = opened.get(model)
    if (known) return known
    const own = openAt(config, model)
    const made = fallback && fallback.name !== own.name ? withFailover([own, fallback]) : own
    opened.set(model, made)
    return made
  }
  const endpointOf = (name: string): Endpoint => (config.fallback && name === fallback!.name ? config.fallback : config)
  const nameOf = ({ model = 'default', planner }: AgentSpec, which: WhichModel) => {
    const small = planner ?? config.smallModel ?? model
    const named = typeof which === 'string' ? which : which.model
    const asked = { main: model, planner: small, small }[named] ?? named
    return asked === 'default' ? config.model : asked
  }

  return {
    providerOf: (model) => (model === scriptedName ? 'warren' : providerOf(endpointOf(model))),
    secrets: [...config.keys, ...(config.fallback?.keys ?? []), ...(config.embedding?.keys ?? [])],
    of(spec, which, answers) {
      const name = spec.model === 'scripted' ? undefined : nameOf(spec, which)
      const pricesOf = (answered: string) => spec.prices ?? endpointOf(answered).prices
      if (name === undefined || name === 'scripted') return { model: scriptOf(spec, answers), pricesOf }
      return { model: open(name), pricesOf }
    },
    check(spec) {
      const hasModel = config.model !== undefined
      if (spec.model === 'scripted' && !spec.script) throw invalid('model "scripted" needs a script')
      if (hasModel || spec.model === 'scripted') return
      const nodes = spec.graph?.nodes.map(({ model }) => model) ?? []
      const other = [spec.model, ...nodes].some((model) => !['default', 'small', undefined].includes(model))
      if (other || !spec.script)
        throw new WarrenError('invalid_request', `agent ${spec.name} needs a model, and this platform has none`, {
          hint: 'The operator sets WARREN_MODEL and WARREN_MODEL_KEYS. An agent with a script of its own needs neither.',
        })
    },
  }
}

function providerOf({ api, vendor }: Endpoint): string {
  if (api === 'anthropic') return 'anthropic'
  if (api === 'gemini') return 'gcp.gemini'
  return vendor ?? 'openai'
}

/** One step of the script for each answer of the run, whichever conversation in it asks. */
function scriptOf({ script = [] }: AgentSpec, answers: () => number): Model {
  const steps = new Map<number, Model>()
  return {
    name: scriptedName,
    stream(request, signal) {
      const index = answers()
      let model = steps.get(index)
      if (!model) {
        const step = script[index] as ScriptStep | undefined
        const missing = {
          failure: {
            code: 'invalid_request' as const,
            message: `the script has ${script.length} steps, and another was asked for`,
          },
        }
        const filled = (request: ModelRequest) => (step ? fill(numbered(step, index), request) : missing)
        model = scriptedModel({ steps: [filled], repeat: true, position: 'calls' })
        steps.clear()
        steps.set(index, model)
      }
      return model.stream(request, signal)
    },
  }
}

/** No two calls of a run have the same id. */
function numbered(step: ScriptStep, index: number): ScriptStep {
  return step.calls
    ? { ...step, calls: step.calls.map((call, at) => ({ id: `call_${index + 1}_${at + 1}`, ...call })) }
    : step
}

/** `{{result 2}}` in a text is what the second tool answered, `{{result 2, line 5}}` a line of it, or the first where it has fewer. */
function fill(step: ScriptStep, { messages }: ModelRequest): ScriptStep {
  if (!step.text?.includes('{{result ')) return step
  const results = messages.filter(({ role }) => role === 'tool').map(textOf)
  const text = step.text.replace(/\{\{result (\d+)(?:, line (\d+))?\}\}/g, (_, number: string, line?: string) => {
    const result = results[Number(number) - 1] ?? ''
    return line === undefined ? result : (result.split('\n')[Number(line) - 1] ?? result.split('\n')[0]!)
  })
  return { ...step, text }
}

function invalid(message: string): WarrenError {
  return new WarrenError('invalid_request', message)
}
