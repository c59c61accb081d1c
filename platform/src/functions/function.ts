import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'

export const runtimes = ['node24', 'python3', 'custom'] as const
export type FunctionRuntime = (typeof runtimes)[number]

/** What a function may be at most. */
export const most = {
  /** Of what is uploaded, and of what is made of it, bytes. */
  codeBytes: 24 * 1024 * 1024,
  files: 5000,
  payloadBytes: 6 * 1024 * 1024,
  resultBytes: 6 * 1024 * 1024,
  /** Of a payload or a result that is kept. */
  keptBytes: 1024 * 1024,
  logBytes: 256 * 1024,
  timeoutSeconds: 6 * 3600,
  concurrency: 100,
  instances: 1000,
  /** Calls that one call may make of functions. */
  subCalls: 1000,
  /** All that come from one call, whatever makes them. */
  treeCalls: 10_000,
  /** Calls above one another. */
  depth: 16,
} as const

const Destination = Type.Object(
  {
    function: Type.Optional(
      Type.String({ maxLength: 63, description: 'A function of yours, called with what became of it.' }),
    ),
    queue: Type.Optional(Type.String({ maxLength: 63, description: 'A queue of yours that gets it as a message.' })),
  },
  { additionalProperties: false },
)
export type Destination = Static<typeof Destination>

const settingSchemas = {
  handler: Type.String({
    maxLength: 200,
    description:
      'Which export answers calls, such as `index.handler`. Default: the default export, or `handler`; in Python `handler` or `lambda_handler`.',
  }),
  memoryMb: Type.Integer({ minimum: 64, maximum: 32_768, description: 'MiB of one instance. Default 256.' }),
  autoMemory: Type.Boolean({
    description: 'Whether `memoryMb` may be changed to what calls show to be better, as a new version. Default false.',
  }),
  cpuCores: Type.Number({ minimum: 0.05, maximum: 64, description: 'Of one instance. Default 1.' }),
  diskMb: Type.Integer({
    minimum: 32,
    maximum: 65_536,
    description: 'MiB of ephemeral disk of one instance. Default 512.',
  }),
  timeoutSeconds: Type.Number({
    minimum: 0.1,
    maximum: most.timeoutSeconds,
    description: 'How long one call may take. Default 30.',
  }),
  concurrency: Type.Integer({
    minimum: 1,
    maximum: most.concurrency,
    description: 'Calls that one instance answers at the same time. Default 1.',
  }),
  maxInstances: Type.Integer({
    minimum: 0,
    maximum: most.instances,
    description: 'Reserved concurrency: more instances than that are never there. 0 stops the function. Default 20.',
  }),
  minInstances: Type.Integer({
    minimum: 0,
    maximum: 100,
    description: 'So many are kept ready, frozen, of each version that calls go to. Default 0.',
  }),
  env: Type.Record(
    Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$', maxLength: 200 }),
    Type.String({ maxLength: 32_768, format: 'plain-text' }),
  ),
  secrets: Type.Array(Type.String({ maxLength: 200 }), {
    maxItems: 100,
    description: 'Names of secrets of yours: in the environment of the function under these names, and nowhere else.',
  }),
  internet: Type.Boolean({
    description: 'Whether it reaches the internet. Default: what the operator has set for sandboxes.',
  }),
  public: Type.Boolean({ description: 'Whether its URL answers without a key. Default false.' }),
  retries: Type.Integer({
    minimum: 0,
    maximum: 100,
    description: 'How often an asynchronous call that failed is made again. Default 2.',
  }),
  retrySeconds: Type.Number({
    minimum: 0.05,
    maximum: 3600,
    description: 'Pause before the first retry; it doubles with each, and varies by a half. Default 1.',
  }),
  maxAgeSeconds: Type.Integer({
    minimum: 1,
    maximum: 14 * 86_400,
    description: 'An asynchronous call older than that is not made again. Default 21600.',
  }),
  invokes: Type.Array(Type.String({ maxLength: 63 }), {
    maxItems: 100,
    description:
      'Names of functions of yours that it may call, or `*` for all of them. It may always call itself. Default: no others.',
  }),
  preload: Type.Array(
    Type.String({ maxLength: 100, pattern: '^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$' }),
    {
      maxItems: 20,
      uniqueItems: true,
      description:
        'Modules of Python that are imported before there is a call: workers that have done it wait for functions with the same list. Default: none.',
    },
  ),
  onSuccess: Destination,
  onFailure: {
    ...Destination,
    description: 'Where asynchronous calls go that failed for good: the dead letters.',
  } as typeof Destination,
} as const

/** Everything about a version but its code. */
export const FunctionSettings = Type.Partial(Type.Object(settingSchemas), {
  $id: 'FunctionSettings',
  additionalProperties: false,
})
export type FunctionSettings = Static<typeof FunctionSettings>

type Complete = Required<Omit<FunctionSettings, 'handler' | 'internet' | 'onSuccess' | 'onFailure'>>
export type CompleteSettings = Complete & Pick<FunctionSettings, 'handler' | 'internet' | 'onSuccess' | 'onFailure'>

const defaults: Complete = {
  memoryMb: 256,
  autoMemory: false,
  cpuCores: 1,
  diskMb: 512,
  timeoutSeconds: 30,
  concurrency: 1,
  maxInstances: 20,
  minInstances: 0,
  env: {},
  secrets: [],
  public: false,
  retries: 2,
  retrySeconds: 1,
  maxAgeSeconds: 21_600,
  invokes: [],
  preload: [],
}

/** Each with what it is where nothing is said. */
export function completeSettings(settings: FunctionSettings): CompleteSettings {
  return { ...defaults, ...settings }
}

export const DeployFunction = Type.Object(
  {
    runtime: Type.Enum([...runtimes], { description: 'Which one runs it.' }),
    files: Type.Record(Type.String({ maxLength: 1024 }), Type.String(), {
      description:
        'Its files by their paths, each in base64. TypeScript is taken as it is; for Node everything is made into one file, and packages must be among the files below node_modules.',
    }),
    entry: Type.Optional(
      Type.String({
        maxLength: 1024,
        description: 'The file that has the handler. Default: index.ts, index.js, main.py, … or the only one.',
      }),
    ),
    settings: Type.Optional(Type.Unsafe<FunctionSettings>({ $ref: 'FunctionSettings#' })),
    publish: Type.Optional(Type.Boolean({ description: 'Whether calls go to it from now on. Default true.' })),
  },
  { $id: 'DeployFunction', additionalProperties: false },
)
export type DeployFunction = Static<typeof DeployFunction>

export const Target = Type.Object(
  {
    version: Type.Integer({ minimum: 1 }),
    weight: Type.Number({ minimum: 0, maximum: 100, description: 'Its share of the calls, in percent.' }),
  },
  { additionalProperties: false },
)
export type Target = Static<typeof Target>

export interface FunctionRecord {
  id: string
  accountId: string
  name: string
  /** Where calls go that name no version. */
  live: Target[]
  lastVersion: number
  createdAt: Date
  updatedAt: Date
}

export interface FunctionVersion {
  functionId: string
  version: number
  runtime: FunctionRuntime
  code: string
  codeBytes: number
  settings: CompleteSettings
  createdAt: Date
}

export interface FunctionAlias {
  name: string
  targets: Target[]
  updatedAt: Date
}

const namePattern = /^[a-zA-Z][a-zA-Z0-9_-]{0,62}$/

/** Throws `invalid_request` for what cannot be the name of a function, an alias or a queue. */
export function checkName(what: string, name: string): void {
  if (!namePattern.test(name))
    throw new WarrenError(
      'invalid_request',
      `the name of ${what} is a letter and then up to 62 letters, digits, dashes and underscores, not "${name.slice(0, 100)}"`,
    )
}
