import { type Static, Type } from 'typebox'
import { type Limits, LimitsView, plainText } from './sandbox.ts'

/*
 * The life of a snapshot: the row comes before the first file and goes after the last.
 *
 *             reserve            markReady           markDeleting          forget
 *   (nothing) ───────▶ creating ──────────▶ ready ──────────────▶ deleting ──────▶ (nothing)
 *             ◀───────    │ forget (it failed, or a crash interrupted it)
 */

const Name = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'A name of your own; it need not be unique.',
  ...plainText,
})

export const CreateSnapshot = Type.Object(
  { name: Type.Optional(Name) },
  { $id: 'CreateSnapshot', additionalProperties: false },
)
export type CreateSnapshot = Static<typeof CreateSnapshot>

/** A snapshot as callers see it. */
export const SnapshotView = Type.Object(
  {
    id: Type.String(),
    name: Type.Optional(Type.String()),
    sandbox: Type.Optional(Type.String({ description: 'What it was taken of. Absent for one that was imported.' })),
    keeps: Type.Enum(['memory', 'files'], {
      description: 'memory: what ran goes on, with its files. files: a new sandbox begins with them.',
    }),
    driver: Type.String({ description: 'The runtime that can bring it back.' }),
    template: Type.String(),
    limits: LimitsView,
    sizeBytes: Type.Integer({ description: 'What it takes on the disk of the host.' }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Snapshot' },
)

/** A snapshot as it is recorded, once it is whole. */
export interface Snapshot {
  id: string
  accountId: string
  name: string | undefined
  sandboxId: string | undefined
  template: string
  driver: string
  keeps: 'memory' | 'files'
  limits: Limits
  sizeBytes: number
  createdAt: Date
}
