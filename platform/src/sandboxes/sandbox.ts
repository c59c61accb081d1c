import { type Static, Type } from 'typebox'
import type { Account } from '../accounts/account.ts'
import type { Config } from '../config.ts'
import { isolations, softLimits } from '../engine/driver.ts'
import { type PausedMemory, pausedMemories } from '../engine/instance-store.ts'
import type { NetworkPolicy } from '../engine/network/rules.ts'
import { newId } from '../lib/id.ts'
import { type Lifecycle, lifecycleInput, lifecycleOf, lifecycleView } from './lifecycle.ts'
import type { AskedNetwork } from './network.ts'
import { type MountedVolume, MountVolumes } from './volumes.ts'

/*
 * The life of a sandbox. Every arrow is one conditional UPDATE in store.ts, so that of two that race one wins.
 *
 *             reserve           markRunning            markStopping             markEnded
 *   (nothing) ──────▶ starting ─────────────▶ running ──────────────▶ stopping ──────────▶ stopped
 *             ◀──────  │    │                 │  ▲ │                     ▲
 *             release  │    │     markPausing │  │ │ markFailed          │
 *       (create failed)│    │                 ▼  │ ▼                     │
 *                      │    │ markFailed  pausing  failed ───────────────┤
 *                      │    └──────────────── │ ────▲                    │
 *                      │           markPaused ▼  markNotPaused           │
 *                      │                    paused ◀───────────┐         │
 *                      │       markResuming │       markNotResumed       │
 *                      │                    ▼                  │         │
 *                      │                 resuming ─────────────┘         │
 *                      │                    └──▶ running (markResumed)   │
 *                      └── markStopping (deleted in any of these states) ┘
 *
 * markPaused, markNotPaused (pausing goes back to running) and markNotResumed follow what the engine did. `paused` keeps its
 * record and its files; nothing of it runs. A resident one that dies becomes `failed`.
 *
 * `failed` stays visible with its end reason until it is deleted or its time is over. `stopped` is kept as a record and is
 * invisible: it answers as if it had never been. What a crash leaves between two states, recover.ts settles.
 */
export const states = ['starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'failed'] as const
export type State = (typeof states)[number]

/** Why a sandbox stopped or failed. */
export type EndReason =
  | 'deleted'
  | 'timeout'
  | 'lost'
  | 'killed'
  | 'out_of_memory'
  | 'disk_full'
  | 'agent_died'
  | 'agent_unresponsive'
  | 'start_interrupted'

/** Text that can be stored and passed to a process: well-formed Unicode without NUL. The format is defined in http/validation.ts. */
export const plainText = { format: 'plain-text' } as const

export const maxTimeoutSeconds = 86_400

const TimeoutSeconds = Type.Integer({
  minimum: 1,
  maximum: maxTimeoutSeconds,
  description: 'Seconds until the sandbox is stopped by itself.',
})

/** Environment variables: name to value. */
export const Environment = Type.Unsafe<Record<string, string>>({
  type: 'object',
  propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$', maxLength: 256 },
  additionalProperties: { type: 'string', ...plainText },
  description: 'Environment variables, name to value.',
})

export const Metadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  maxProperties: 64,
  propertyNames: { minLength: 1, maxLength: 128, ...plainText },
  additionalProperties: { type: 'string', maxLength: 4096, ...plainText },
  description: 'Labels of your own, which lists can be filtered by.',
})

const limitSchemas = {
  cpuCores: Type.Number({ minimum: 0.05, maximum: 1024, description: 'Cores; fractions are allowed.' }),
  memoryMb: Type.Integer({ minimum: 16, maximum: 4_194_304, description: 'Memory in MiB.' }),
  diskMb: Type.Integer({ minimum: 16, maximum: 16_777_216, description: 'Writable disk in MiB.' }),
  maxProcesses: Type.Integer({ minimum: 8, maximum: 1_000_000, description: 'Processes and threads.' }),
  maxOpenFiles: Type.Integer({ minimum: 64, maximum: 1_048_576, description: 'Open files of one process.' }),
}

export const LimitsView = Type.Object(limitSchemas, { description: 'What the sandbox may use at most.' })
export type Limits = Static<typeof LimitsView>

export const CreateSandbox = Type.Object(
  {
    template: Type.Optional(Type.String({ minLength: 1, maxLength: 128, default: 'base', ...plainText })),
    timeout: Type.Optional({ ...TimeoutSeconds, default: 300 } as typeof TimeoutSeconds),
    env: Type.Optional(Environment),
    metadata: Type.Optional(Metadata),
    snapshot: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'Id of a snapshot to go on from. It brings its template, limits and runtime; `env` replaces what was set when it was taken.',
        ...plainText,
      }),
    ),
    limits: Type.Optional(Type.Partial(LimitsView, { additionalProperties: false })),
    network: Type.Optional(Type.Unsafe<AskedNetwork>({ $ref: 'SetNetwork#' })),
    ...lifecycleInput,
    volumes: Type.Optional(MountVolumes),
    isolation: Type.Optional(
      Type.Object(
        {
          min: Type.Optional(Type.Enum([...isolations])),
          driver: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 64,
              description: 'One driver by name, whatever it offers, unless `min` asks more.',
            }),
          ),
          gpu: Type.Optional(
            Type.Boolean({
              description: 'With the GPUs of the host; refused, with what is missing, where no runtime gives them.',
            }),
          ),
        },
        {
          additionalProperties: false,
          description: 'The least isolation accepted; the strongest healthy one is taken.',
        },
      ),
    ),
  },
  { $id: 'CreateSandbox', additionalProperties: false },
)
export type CreateSandbox = Static<typeof CreateSandbox>

export const SetTimeout = Type.Object({ timeout: TimeoutSeconds }, { $id: 'SetTimeout', additionalProperties: false })

/** How long a paused sandbox is kept when nobody says otherwise, and at most, seconds. */
export const pausedSeconds = { usual: 7 * 86_400, most: 30 * 86_400 }

export const PauseSandbox = Type.Object(
  {
    timeout: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: pausedSeconds.most,
        default: pausedSeconds.usual,
        description: 'Seconds until the paused sandbox is deleted by itself.',
      }),
    ),
    memory: Type.Optional(
      Type.Boolean({
        default: true,
        description: 'False gives up what runs and keeps the files alone: on resume the sandbox begins anew with them.',
      }),
    ),
  },
  { $id: 'PauseSandbox', additionalProperties: false },
)
export type PauseSandbox = Static<typeof PauseSandbox>

export const ResumeSandbox = Type.Object(
  {
    timeout: Type.Optional({
      ...TimeoutSeconds,
      description:
        'Seconds until the sandbox is stopped by itself. Without it, those that it had left when it was paused.',
    } as typeof TimeoutSeconds),
    memory: Type.Optional(
      Type.Boolean({
        default: true,
        description: 'False gives up what ran when it was paused: the sandbox begins anew with its files.',
      }),
    ),
  },
  { $id: 'ResumeSandbox', additionalProperties: false },
)
export type ResumeSandbox = Static<typeof ResumeSandbox>

/** What the copies of a sandbox are given; all of it is optional. */
const copySchemas = {
  timeout: Type.Optional({ ...TimeoutSeconds, default: 300 } as typeof TimeoutSeconds),
  env: Type.Optional(Environment),
  metadata: Type.Optional(Metadata),
}

export const CloneSandbox = Type.Object(copySchemas, { $id: 'CloneSandbox', additionalProperties: false })
export type CloneSandbox = Static<typeof CloneSandbox>

export const ForkSandbox = Type.Object(
  {
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 64, default: 1, description: 'How many copies.' })),
    ...copySchemas,
  },
  { $id: 'ForkSandbox', additionalProperties: false },
)
export type ForkSandbox = Static<typeof ForkSandbox>

const Runtime = Type.Object({
  driver: Type.String(),
  isolation: Type.Enum([...isolations]),
  disk: Type.Enum(['loop', 'tmpfs', 'none'], {
    description: 'How the disk limit is kept: loop and tmpfs are hard, none is no limit.',
  }),
  unenforced: Type.Array(Type.Enum([...softLimits]), {
    description: 'Limits that nothing keeps on this host.',
  }),
  passedOver: Type.Array(Type.Object({ driver: Type.String(), reason: Type.String() }), {
    description: 'Stronger drivers that were not taken, and why.',
  }),
})
export type Runtime = Static<typeof Runtime>

/** A sandbox as callers see it. */
export const SandboxView = Type.Object(
  {
    id: Type.String(),
    state: Type.Enum([...states]),
    template: Type.String(),
    runtime: Type.Optional(Runtime),
    limits: LimitsView,
    network: Type.Unsafe<NetworkPolicy>({ $ref: 'NetworkPolicy#' }),
    volumes: Type.Optional(MountVolumes),
    metadata: Metadata,
    createdAt: Type.String({ format: 'date-time' }),
    expiresAt: Type.String({ format: 'date-time' }),
    memory: Type.Optional(
      Type.Enum([...pausedMemories], {
        description: 'Of a paused sandbox: on the disk, still in the memory of the host, or given up.',
      }),
    ),
    endReason: Type.Optional(Type.String({ description: 'Why it stops or failed, such as out_of_memory.' })),
    ...lifecycleView,
    warm: Type.Boolean({ description: 'It came from the warm pool.' }),
    ports: Type.Object({
      urlTemplate: Type.String({ description: 'Where a port of the sandbox is reached by host name.' }),
      pathTemplate: Type.String({ description: 'Where a port of the sandbox is reached by path.' }),
    }),
  },
  { $id: 'Sandbox' },
)

/** A sandbox as it is recorded. */
export interface Sandbox {
  id: string
  accountId: string
  state: State
  template: string
  limits: Limits
  network: NetworkPolicy
  volumes: MountedVolume[]
  metadata: Record<string, string>
  createdAt: Date
  expiresAt: Date
  runtime: Runtime | undefined
  instanceId: string | undefined
  warm: boolean
  /** Set while it is paused: where its memory is. */
  memory: PausedMemory | undefined
  /** What it had left of its time when it was paused. */
  remainingMs: number | undefined
  endReason: string | undefined
  lifecycle: Lifecycle
  /** Set while it is paused: since when. */
  pausedAt: Date | undefined
  /** Id of the worker that has it; undefined: the platform itself. */
  node?: string | undefined
}

/** The record of a sandbox that is about to be started. */
export function newSandbox(
  account: Account,
  input: CreateSandbox,
  { defaultLimits, network }: Pick<Config, 'defaultLimits'> & { network: NetworkPolicy },
  now: Date,
): Sandbox {
  return {
    id: newId('s'),
    accountId: account.id,
    state: 'starting',
    template: input.template ?? 'base',
    limits: { ...defaultLimits, ...input.limits },
    network,
    volumes: [],
    metadata: input.metadata ?? {},
    createdAt: now,
    expiresAt: new Date(now.getTime() + (input.timeout ?? 300) * 1000),
    runtime: undefined,
    instanceId: undefined,
    warm: false,
    memory: undefined,
    remainingMs: undefined,
    endReason: undefined,
    lifecycle: lifecycleOf(input),
    pausedAt: undefined,
  }
}
