import { type Static, Type } from 'typebox'

/** What an organisation may have, and what that counts. The database counts; see migration 0012. */
export const quotaMeanings = {
  sandboxes: 'Sandboxes at once. One that is paused with its memory on the disk does not count.',
  cpuCores: 'Cores of those sandboxes, of instances of functions and of builds of templates together.',
  memoryMb: 'Their memory together, MiB.',
  storageMb: 'Disks of sandboxes, also of paused ones, volumes, snapshots and objects, MiB.',
  egressMbPerDay: 'What sandboxes, functions and builds send to the network in a day of UTC, MiB.',
  requestsPerMinute: 'Requests with all its keys.',
  functions: 'Calls of functions at once.',
  builds: 'Builds of templates at once; the others wait.',
  agentBudget: 'What agents may have reserved at once, in millionths of a dollar.',
} as const

export type QuotaName = keyof typeof quotaMeanings
export const quotaNames = Object.keys(quotaMeanings) as QuotaName[]

/** Those that are not there are without limit. */
export type QuotaDefaults = Partial<Record<QuotaName, number | undefined>>

/** Why something was not reserved. */
export interface QuotaExceeded {
  quota: QuotaName
  most: number
}

export interface Quota {
  name: QuotaName
  /** Undefined where there is no limit. */
  most: number | undefined
  used: number
  /** Whether it was set for this organisation, and is not the default. */
  isOwn: boolean
}

const most = 1_000_000_000_000

/** What is given is set, `null` is the default again, the others stay. */
export const SetQuotas = Type.Object(
  {
    organisation: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'Whose; default: that of the key.' }),
    ),
    quotas: Type.Object(
      Object.fromEntries(
        quotaNames.map((name) => [
          name,
          Type.Optional(
            Type.Union([Type.Number({ minimum: name === 'requestsPerMinute' ? 1 : 0, maximum: most }), Type.Null()], {
              description: quotaMeanings[name],
            }),
          ),
        ]),
      ) as Record<QuotaName, never>,
      { additionalProperties: false },
    ),
  },
  { $id: 'SetQuotas', additionalProperties: false },
)
export interface SetQuotas {
  organisation?: string
  quotas: Partial<Record<QuotaName, number | null>>
}

export const QuotaView = Type.Object(
  {
    name: Type.Enum(quotaNames),
    most: Type.Optional(Type.Number({ description: 'Absent where there is no limit.' })),
    used: Type.Number({ description: 'Now; of egress, today. 0 for requests, which their own headers tell.' }),
    own: Type.Boolean({ description: 'Whether it was set for this organisation, and is not the default.' }),
  },
  { $id: 'Quota' },
)
export type QuotaView = Static<typeof QuotaView>
