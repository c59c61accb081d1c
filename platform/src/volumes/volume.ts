import { type Static, Type } from 'typebox'

/*
 * create ──▶ creating ──▶ ready ──▶ deleting ──▶ (nothing). What a crash leaves creating or deleting, recover.ts removes.
 */
export interface Volume {
  id: string
  accountId: string
  name: string
  /** MiB; undefined where nothing limits it. */
  sizeMb: number | undefined
  createdAt: Date
}

export const VolumeName = Type.String({
  pattern: '^[a-zA-Z0-9_-]{1,64}$',
  description: 'Letters, digits, - and _; at most 64.',
})

/** What it gets when nobody says, and at most, MiB. Only what is written takes room. */
const sizes = { usual: 1024, least: 16, most: 1_048_576 }

export const CreateVolume = Type.Object(
  {
    name: VolumeName,
    sizeMb: Type.Optional(
      Type.Integer({
        minimum: sizes.least,
        maximum: sizes.most,
        default: sizes.usual,
        description: 'Its size in MiB.',
      }),
    ),
  },
  { $id: 'CreateVolume', additionalProperties: false },
)
export type CreateVolume = Static<typeof CreateVolume>
export const usualSizeMb = sizes.usual

export const VolumeView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    sizeMb: Type.Optional(Type.Integer({ description: 'Absent where nothing limits it: the server is not root.' })),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Volume' },
)
