import { createHash } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { WarrenError } from '../../errors.ts'
import { largeNames } from './contents.ts'

/** Raise when a reader of today could misunderstand what is written. */
export const backupFormat = 1

const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })
const identifier = Type.String({ pattern: '^[a-z_][a-z0-9_]{0,62}$' })
/** Below the home, never out of it. */
const path = Type.String({ pattern: '^(?!.*(^|/)\\.{1,2}(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$', maxLength: 512 })

/** An entry of the archive. */
const Part = Type.Object(
  { name: Type.String({ maxLength: 100 }), bytes: whole, sha256 },
  { additionalProperties: false },
)
export type Part = Static<typeof Part>

const Large = Type.Enum([...largeNames])

/** What a backup says of itself, in `manifest.json`. */
export const BackupManifest = Type.Object(
  {
    format: Type.Integer(),
    createdAt: Type.String({ format: 'date-time' }),
    /** Whether a platform was at work meanwhile. */
    live: Type.Boolean(),
    postgres: Type.String({ maxLength: 256 }),
    migrations: Type.Array(Type.Object({ name: Type.String({ maxLength: 128 }), checksum: sha256 })),
    tables: Type.Array(
      Type.Object({ name: identifier, columns: Type.Array(identifier), rows: whole, part: Type.String() }),
    ),
    sequences: Type.Array(
      Type.Object({ name: identifier, value: Type.String({ pattern: '^\\d{1,19}$' }), called: Type.Boolean() }),
    ),
    files: Type.Array(Type.Object({ path, mode: whole, part: Type.String() })),
    /** Folders with large files, each a tar archive of its own. */
    folders: Type.Array(Type.Object({ name: Large, part: Type.String() })),
    leftOut: Type.Array(Type.Object({ name: Large, bytes: whole })),
    /** Code that versions of functions name and that was not on the disk. */
    missingCode: Type.Array(Type.String()),
    parts: Type.Array(Part),
  },
  { additionalProperties: false },
)
export type BackupManifest = Static<typeof BackupManifest>

export const manifestName = 'manifest.json'
/** Holds the sum of the manifest, as the manifest holds those of all others. */
export const manifestSumName = 'manifest.sha256'

export function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Throws `invalid_request` for what is no manifest, or one that a newer Warren wrote. */
export function readManifest(text: string): BackupManifest {
  const value = parsed(text)
  const format = (value as { format?: unknown } | undefined)?.format
  if (typeof format === 'number' && format > backupFormat)
    throw new WarrenError(
      'invalid_request',
      `the backup has format ${format}, this version of Warren reads ${backupFormat}`,
      {
        hint: 'Restore it with the version of Warren that made it, or a newer one.',
      },
    )
  if (Value.Check(BackupManifest, value)) return value
  const [first] = Value.Errors(BackupManifest, value)
  throw new WarrenError(
    'invalid_request',
    `the manifest of the backup is wrong at ${first?.instancePath || '/'}: ${first?.message}`,
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
