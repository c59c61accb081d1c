import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Billing } from '../../billing/billing.ts'
import { MoneyView, parseMoney } from '../../billing/money.ts'
import { WarrenError } from '../../errors.ts'
import { LineView, lineView, moneyView, PlanView, planView } from './billing-views.ts'
import { json, Nothing, named, problems } from './schema.ts'

const Overview = Type.Object(
  {
    currency: Type.String(),
    plan: named(PlanView),
    since: Type.Optional(Type.String({ format: 'date-time' })),
    wallet: named(MoneyView),
    spentThisMonth: named(MoneyView),
    softLimit: Type.Optional(named(MoneyView)),
    hardLimit: Type.Optional(named(MoneyView)),
    coupons: Type.Array(Type.String()),
    providers: Type.Array(Type.String({ description: 'Ways to pay that there are here.' })),
  },
  { $id: 'BillingOverview' },
)

const PlanList = Type.Object({ plans: Type.Array(named(PlanView)) }, { $id: 'PlanList' })

const TakePlan = Type.Object(
  {
    plan: Type.String({ maxLength: 64 }),
    currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$', description: 'Chosen once.' })),
  },
  { $id: 'TakePlan', additionalProperties: false },
)

const limit = Type.Optional(
  Type.Union([named(MoneyView), Type.Null()], { description: 'Null takes it away; absent leaves it.' }),
)
const SpendLimits = Type.Object({ soft: limit, hard: limit }, { $id: 'SpendLimits', additionalProperties: false })

const RedeemCoupon = Type.Object(
  { code: Type.String({ maxLength: 64 }) },
  { $id: 'RedeemCoupon', additionalProperties: false },
)

const Preview = Type.Object(
  {
    periodStart: Type.String({ format: 'date-time' }),
    until: Type.String({ format: 'date-time' }),
    facts: Type.Integer(),
    lines: Type.Array(named(LineView)),
    total: named(MoneyView),
  },
  { $id: 'UsagePreview' },
)

export const billingSchemas = [Overview, PlanList, TakePlan, SpendLimits, RedeemCoupon, Preview]

/** /v1/billing: the plan of the account, what it spends and where it stops. */
export function billingRoutes(app: FastifyInstance, billing: Billing): void {
  const overview = async (accountId: string): Promise<Static<typeof Overview>> => {
    const { account, plan, since, wallet, spent, coupons } = await billing.overview(accountId)
    const { currency, softLimit, hardLimit } = account
    const amount = (minor: bigint) => moneyView({ currency, minor })
    return {
      currency,
      plan: planView(plan),
      ...(since ? { since: since.toISOString() } : {}),
      wallet: amount(wallet),
      spentThisMonth: amount(spent),
      ...(softLimit === undefined ? {} : { softLimit: amount(softLimit) }),
      ...(hardLimit === undefined ? {} : { hardLimit: amount(hardLimit) }),
      coupons: coupons.map(({ code }) => code),
      providers: billing.providers,
    }
  }
  const about = { tags: ['billing'] }
  const whole = { 200: json('How the account stands.', Overview), ...problems }

  app.get(
    '/billing',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'getBilling',
        summary: 'Plan, wallet, limits and what was spent',
        response: whole,
      },
    },
    ({ account }) => overview(account.id),
  )

  app.get(
    '/billing/plans',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'listPlans',
        summary: 'Plans that can be taken',
        response: { 200: json('The newest version of each.', PlanList), ...problems },
      },
    },
    async () => ({ plans: (await billing.plans()).map(planView) }),
  )

  app.put<{ Body: Static<typeof TakePlan> }>(
    '/billing/plan',
    {
      config: { permission: 'billing:manage', audit: 'plan.take' },
      schema: {
        ...about,
        operationId: 'takePlan',
        summary: 'Take a plan, from now on',
        body: named(TakePlan),
        response: whole,
      },
    },
    async ({ account, body }) => {
      await billing.takePlan(account.id, body)
      return overview(account.id)
    },
  )

  app.put<{ Body: Static<typeof SpendLimits> }>(
    '/billing/limits',
    {
      config: { permission: 'billing:manage', audit: 'spend_limits.set' },
      schema: {
        ...about,
        operationId: 'setSpendLimits',
        summary: 'How much may be spent in a month: told of at the soft limit, no new sandboxes from the hard one on',
        body: named(SpendLimits),
        response: whole,
      },
    },
    async ({ account, body }) => {
      const [soft, hard] = [body.soft, body.hard].map((view) => (view ? parseMoney(view) : view))
      for (const limit of [soft, hard])
        if (limit && limit.minor < 0n) throw new WarrenError('invalid_request', 'a limit is not below zero')
      await billing.setLimits(account.id, { soft, hard })
      return overview(account.id)
    },
  )

  app.post<{ Body: Static<typeof RedeemCoupon> }>(
    '/billing/coupons',
    {
      config: { permission: 'billing:manage', audit: 'coupon.redeem' },
      schema: {
        ...about,
        operationId: 'redeemCoupon',
        summary: 'Redeem a coupon; again changes nothing',
        body: named(RedeemCoupon),
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, body }, reply) => {
      await billing.redeemCoupon(account.id, body.code)
      return reply.code(204).send()
    },
  )

  app.get(
    '/billing/usage',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'previewUsage',
        summary: 'What an invoice of everything until now would say',
        response: { 200: json('Nothing is written.', Preview), ...problems },
      },
    },
    async ({ account }) => {
      const { currency, periodStart, until, facts, lines, total } = await billing.preview(account.id)
      return {
        periodStart: periodStart.toISOString(),
        until: until.toISOString(),
        facts,
        lines: lines.map((line) => lineView(line, currency)),
        total: moneyView({ currency, minor: total }),
      }
    },
  )
}
