import { type Static, Type } from 'typebox'
import type { Account } from '../accounts/account.ts'

/** By what facts are put together. */
export const usageGroups = ['none', 'kind', 'subject', 'template', 'state', 'hour', 'day'] as const

export const UsageQuery = Type.Object(
  {
    from: Type.Optional(Type.String({ format: 'date-time', description: 'Default: 30 days before `to`.' })),
    to: Type.Optional(Type.String({ format: 'date-time', description: 'Default: now.' })),
    group: Type.Optional(Type.Enum([...usageGroups], { default: 'none' })),
  },
  { additionalProperties: false },
)
export type UsageQuery = Static<typeof UsageQuery>

const amounts = {
  facts: Type.Integer({ description: 'How many closed intervals this is the sum of.' }),
  durationMs: Type.Number({ description: 'How long they lasted together.' }),
  cpuMs: Type.Number({ description: 'Processor time, measured.' }),
  memoryMbMs: Type.Number({ description: 'MiB times milliseconds, of what was reserved.' }),
  memoryHeldMbMs: Type.Number({
    description:
      'MiB times milliseconds, of what was charged to control groups of sandboxes: a shared page is charged to one of them. Told, and not billed unless a plan prices it.',
  }),
  diskMbMs: Type.Number({ description: 'MiB times milliseconds, of what was reserved or is stored.' }),
  networkInBytes: Type.Number(),
  networkOutBytes: Type.Number(),
  gpuMs: Type.Number(),
  modelInputTokens: Type.Number({ description: 'What models were asked, without what their vendor had cached.' }),
  modelCachedTokens: Type.Number(),
  modelOutputTokens: Type.Number(),
}
export const UsageAmounts = Type.Object(amounts, { $id: 'UsageAmounts' })
export type UsageAmounts = Static<typeof UsageAmounts>

const UsageGroup = Type.Object(
  {
    key: Type.String({ description: 'Of the group: a kind, an id, a template, or the beginning of an hour or day.' }),
    ...amounts,
  },
  { $id: 'UsageGroup' },
)

export const UsageReport = Type.Object(
  {
    from: Type.String({ format: 'date-time' }),
    to: Type.String({ format: 'date-time' }),
    group: Type.Enum([...usageGroups]),
    groups: Type.Array(UsageGroup),
    total: Type.Unsafe<UsageAmounts>({ $ref: 'UsageAmounts#' }),
    open: Type.Unsafe<UsageAmounts>({
      $ref: 'UsageAmounts#',
      description: 'What goes on now, since its last full hour: not in the total, and no fact yet.',
    }),
  },
  {
    $id: 'UsageReport',
    description: 'Sums of the facts that ended after `from` and not after `to`; groups in the order of their keys.',
  },
)
export type UsageReport = Static<typeof UsageReport>

export type UsageReader = (account: Account, query: UsageQuery) => Promise<UsageReport>
