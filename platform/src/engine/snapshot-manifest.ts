import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { WarrenError } from '../errors.ts'

/** Raise when a reader of today could misunderstand what is written. */
export const snapshotFormat = 1

const name = Type.String({ pattern: '^[a-z0-9][a-z0-9._/-]{0,127}$' })
const positive = (maximum: number) => Type.Integer({ minimum: 1, maximum })

/** One file of a snapshot. */
const Part = Type.Object(
  {
    name: Type.String({ pattern: '^(disk\\.img|memory/[a-z0-9][a-z0-9_.-]{0,63})$' }),
    size: Type.Integer({ minimum: 0, maximum: 2 ** 50 }),
    /** Of small parts; large ones are known by their length. */
    sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  },
  { additionalProperties: false },
)

/** What a snapshot says of itself, in `manifest.json`. It may come from elsewhere, so nothing of it is believed. */
export const SnapshotManifest = Type.Object(
  {
    format: Type.Integer(),
    id: Type.String({ pattern: '^[a-z0-9]{1,64}$' }),
    driver: name,
    /** The runtime's own version: only the same one can read its memory. */
    runtime: Type.String({ maxLength: 256 }),
    keeps: Type.Enum(['memory', 'files']),
    /** Absent where only files are kept. */
    token: Type.Optional(Type.String({ pattern: '^[a-z0-9]{1,64}$' })),
    template: name,
    /** The version of the template's tree that the disk began with. */
    skeleton: name,
    /** Folders of the host it saw. */
    readOnly: Type.Array(Type.String({ pattern: '^/[A-Za-z0-9_./+-]{1,255}$' }), { maxItems: 32 }),
    /** Checksum of the guest agent that runs in it. */
    agent: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    /** Number of the uid range its files belong to. */
    slot: Type.Integer({ minimum: 0, maximum: 9_999 }),
    limits: Type.Object(
      {
        cpuCores: Type.Number({ minimum: 0.05, maximum: 1024 }),
        memoryMb: positive(4_194_304),
        diskMb: positive(16_777_216),
        maxProcesses: positive(1_000_000),
        maxOpenFiles: positive(1_048_576),
      },
      { additionalProperties: false },
    ),
    parts: Type.Array(Part, { minItems: 1, maxItems: 16 }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { additionalProperties: false },
)
export type SnapshotManifest = Static<typeof SnapshotManifest>

/** Throws `invalid_request` with the first thing that is wrong with it. */
export function readManifest(text: string): SnapshotManifest {
  const value = parse(text)
  const { format } = value as { format?: unknown }
  if (format !== snapshotFormat) {
    throw refused(
      `its format is ${JSON.stringify(format) ?? 'not said'}, and this Warren reads format ${snapshotFormat}`,
    )
  }
  if (!Value.Check(SnapshotManifest, value)) {
    const first = [...Value.Errors(SnapshotManifest, value)][0]
    throw refused(`its manifest is not one: ${first?.instancePath || '/'} ${first?.message ?? 'is wrong'}`)
  }
  const names = value.parts.map((part) => part.name)
  if (new Set(names).size !== names.length || !names.includes('disk.img'))
    throw refused('its parts are not those of one')
  if (
    (value.keeps === 'memory') !== names.some((part) => part.startsWith('memory/')) ||
    (value.keeps === 'memory') !== (value.token !== undefined)
  )
    throw refused('it does not hold what it says')
  const disk = value.parts.find((part) => part.name === 'disk.img')
  if (disk?.size !== value.limits.diskMb * 1024 * 1024) throw refused('its disk is not as large as its limits say')
  if (value.readOnly.some((path) => path.split('/').some((step) => step === '.' || step === '..')))
    throw refused('it names a folder of the host by a way around')
  return value
}

export function refused(reason: string): WarrenError {
  return new WarrenError('invalid_request', `the snapshot cannot be used: ${reason}`)
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Told below.
  }
  throw refused('its manifest is not JSON')
}
