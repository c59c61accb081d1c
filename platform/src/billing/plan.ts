import { type Static, type TSchema, Type } from 'typebox'
import { type Meter, meterNames } from './meter.ts'

const whole = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER }

/** An object that may have a field for each meter. */
function perMeter<T extends TSchema>(value: T, description: string) {
  const fields = Object.fromEntries(meterNames.map((meter) => [meter, Type.Optional(value)]))
  return Type.Unsafe<Partial<Record<Meter, Static<T>>>>(
    Type.Object(fields, { additionalProperties: false, description }),
  )
}

const Rate = Type.Object(
  {
    minor: Type.Integer({ ...whole, description: 'In the smallest unit of the currency,' }),
    per: Type.Integer({ ...whole, minimum: 1, description: 'for so many of what the meter counts.' }),
  },
  { additionalProperties: false },
)

const Prices = Type.Object(
  {
    monthly: Type.Integer({ ...whole, description: 'Of a whole month, in the smallest unit of the currency.' }),
    rates: perMeter(Rate, 'Of what goes beyond what is included. What is not named costs nothing.'),
  },
  { additionalProperties: false },
)

/** What a plan promises and costs. A version of it never changes. */
export const PlanTerms = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, format: 'plain-text' }),
    concurrency: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Sandboxes at once.' }),
    minimumMs: Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      description: 'Each interval of use counts as that long at least.',
    }),
    included: perMeter(Type.Integer(whole), 'How much of each meter a whole month includes.'),
    prices: Type.Record(Type.String({ pattern: '^[A-Z]{3}$' }), Prices, {
      minProperties: 1,
      maxProperties: 50,
      additionalProperties: false,
      description: 'By currency.',
    }),
  },
  { $id: 'PlanTerms', additionalProperties: false },
)
export type PlanTerms = Static<typeof PlanTerms>

export interface Plan {
  id: string
  version: number
  terms: PlanTerms
}

const hour = 3_600_000
const gibHour = 1024 * hour
const gib = 2 ** 30

/** In cents; other currencies by what they are multiplied with. */
const cents: Partial<Record<Meter, { minor: number; per: number }>> = {
  'sandbox.time': { minor: 1, per: 10 * 60_000 },
  'function.time': { minor: 1, per: 10 * 60_000 },
  'agent.time': { minor: 1, per: 10 * 60_000 },
  cpu: { minor: 5, per: hour },
  memory: { minor: 16, per: 10 * gibHour },
  disk: { minor: 1, per: 100 * gibHour },
  'network.out': { minor: 9, per: gib },
  gpu: { minor: 250, per: hour },
}
const currencies = { USD: 1, EUR: 1, CNY: 7 }

/** What there is until the operator writes plans of their own. Until an account takes one it is on `free`, where nothing costs. */
export const builtInPlans: Record<string, PlanTerms> = {
  free: { ...plan('Free', 100_000, 0, 0), prices: pricesOf(0, {}) },
  basic: plan('Basic', 10, 2000, 100),
  pro: plan('Pro', 100, 15_000, 1000),
  enterprise: plan('Enterprise', 1000, 100_000, 10_000),
}

function plan(name: string, concurrency: number, monthly: number, includedHours: number): PlanTerms {
  const time = includedHours * hour
  const included = includedHours
    ? { 'sandbox.time': time, cpu: time, memory: includedHours * gibHour, disk: 10 * includedHours * gibHour }
    : {}
  return { name, concurrency, minimumMs: 60_000, included, prices: pricesOf(monthly, cents) }
}

function pricesOf(monthly: number, rates: typeof cents): PlanTerms['prices'] {
  return Object.fromEntries(
    Object.entries(currencies).map(([currency, factor]) => [
      currency,
      {
        monthly: monthly * factor,
        rates: Object.fromEntries(
          Object.entries(rates).map(([meter, { minor, per }]) => [meter, { minor: minor * factor, per }]),
        ),
      },
    ]),
  )
}
