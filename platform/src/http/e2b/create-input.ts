import { type Static, Type } from 'typebox'
import type { AskedNetwork, SetNetwork } from '../../sandboxes/network.ts'
import { insideAccessLabel, portAccessLabel } from '../../sandboxes/port-access.ts'
import { httpsPortsLabel, maskHostLabel, portPlaceholder } from '../../sandboxes/port-rules.ts'
import { type CreateSandbox, Environment, Metadata, maxTimeoutSeconds } from '../../sandboxes/sandbox.ts'
import { envdPort } from './edge-target.ts'
import { outgoingFields, outgoingInput } from './outgoing-input.ts'
import { reachFields, reachInput } from './reach-input.ts'
import { Refusal } from './refusal.ts'

const strict = { additionalProperties: false }
const Text = Type.String({ maxLength: 1024 })
const OrNull = <T extends object>(schema: T) => Type.Unsafe<unknown>({ anyOf: [schema, { type: 'null' }] })

export const Timeout = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

const Network = Type.Object(
  {
    allowPublicTraffic: Type.Optional(Type.Boolean()),
    ...reachFields,
    ...outgoingFields,
    maskRequestHost: Type.Optional(OrNull(Text)),
    httpsPorts: Type.Optional(OrNull(Type.Array(Type.Integer()))),
  },
  strict,
)

type Network = Static<typeof Network>

/** Tokens that say to others which sandbox it is, by name. */
const Iam = Type.Object(
  {
    tokens: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
        Type.Object(
          { audience: Type.String({ minLength: 1, maxLength: 1024, format: 'plain-text' }), tokenType: Text },
          strict,
        ),
        { maxProperties: 5, additionalProperties: false },
      ),
    ),
  },
  strict,
)

export const NewSandbox = Type.Object(
  {
    templateID: Type.String({ minLength: 1, maxLength: 256 }),
    timeout: Type.Optional(Timeout),
    metadata: Type.Optional(Metadata),
    envVars: Type.Optional(Environment),
    secure: Type.Optional(Type.Boolean()),
    allow_internet_access: Type.Optional(Type.Boolean()),
    autoPause: Type.Optional(Type.Boolean()),
    autoPauseMemory: Type.Optional(Type.Boolean()),
    autoResume: Type.Optional(OrNull(Type.Object({ enabled: Type.Optional(Type.Boolean()) }, strict))),
    network: Type.Optional(OrNull(Network)),
    // What the client starts the template's gateway with, itself.
    mcp: Type.Optional(OrNull(Type.Object({}))),
    iam: Type.Optional(OrNull(Iam)),
    volumeMounts: Type.Optional(OrNull(Type.Array(Type.Object({ name: Text, path: Text }, strict)))),
  },
  strict,
)
type NewSandbox = Static<typeof NewSandbox>

interface CreateRules {
  /** Seconds. */
  defaultTimeout: number
  /** Instead of a template. */
  snapshot?: string | undefined
  /** Whether a sandbox without a token can be asked for, as the older clients may. */
  mayBeOpen: boolean
  /** What may be reached where the caller does not say. */
  usual: 'allow' | 'deny'
}

/** What the platform is asked for. Throws 400 with the name of the first field that cannot be honoured. */
export function createInput(
  body: NewSandbox,
  { defaultTimeout, snapshot, mayBeOpen, usual }: CreateRules,
): CreateSandbox {
  const { timeout = defaultTimeout, metadata = {}, envVars } = body
  const network = (body.network ?? {}) as Network
  if (body.secure === false && !mayBeOpen)
    throw new Refusal(400, '"secure" cannot be false: a sandbox that is made here is protected by its access token')
  const own = Object.keys(metadata).find((name) => name.startsWith('warren.'))
  if (own) throw new Refusal(400, `metadata must not have the name "${own}": names that begin with "warren." are taken`)
  checkLifecycle(body)
  return {
    ...(snapshot === undefined ? { template: body.templateID } : { snapshot }),
    ...lifecycleInput(body),
    timeout: checkedTimeout(timeout),
    metadata: { ...metadata, ...portLabels(network), ...insideLabel(body.secure, network) },
    // Clients send none as an empty object: what a snapshot was taken with stays.
    ...(hasKeys(envVars) ? { env: envVars } : {}),
    network: networkInput(network, {
      internetAccess: body.allow_internet_access,
      identity: identityInput(body),
      usual,
    }),
    ...(body.volumeMounts ? { volumes: body.volumeMounts as CreateSandbox['volumes'] & {} } : {}),
  }
}

function checkLifecycle({ autoPause, autoPauseMemory, autoResume }: NewSandbox): void {
  if (autoPauseMemory !== false) return
  if (autoPause !== true) throw new Refusal(400, '"autoPauseMemory" can be false only if "autoPause" is true')
  if (isEnabled(autoResume))
    throw new Refusal(400, '"autoPauseMemory" cannot be false if "autoResume" is enabled: files alone are not resumed')
}

function lifecycleInput({ autoPause, autoPauseMemory, autoResume }: NewSandbox): Partial<CreateSandbox> {
  return {
    ...(autoPause ? { onTimeout: 'pause' as const } : {}),
    ...(autoPauseMemory === false ? { keepMemory: false } : {}),
    ...(isEnabled(autoResume) ? { autoResume: true } : {}),
  }
}

function isEnabled(autoResume: NewSandbox['autoResume']): boolean {
  return (autoResume as { enabled?: boolean } | null | undefined)?.enabled === true
}

/** Seconds that a sandbox may be asked to live for. */
export function checkedTimeout(seconds: number): number {
  if (seconds < 1) throw new Refusal(400, `Timeout must be greater than 0, not ${seconds}`)
  if (seconds > maxTimeoutSeconds)
    throw new Refusal(400, `Timeout cannot be greater than ${maxTimeoutSeconds / 3600} hours`)
  return seconds
}

const interpreterTemplates = ['code-interpreter-v1', 'code-interpreter']

/** Whether a sandbox is made to run code in contexts, by the name of its template. */
export function isInterpreter(templateId: string): boolean {
  return interpreterTemplates.includes(templateId.replace(/^[^/]*\//, '').replace(/:default$/, ''))
}

function portLabels({ allowPublicTraffic, maskRequestHost, httpsPorts }: Network): Record<string, string> {
  const host = (maskRequestHost ?? '') as string
  const ports = [...new Set((httpsPorts ?? []) as number[])]
  if (host && !/^[A-Za-z0-9.-]+(:\d{1,5})?$/.test(host.replaceAll(portPlaceholder, '80')))
    throw new Refusal(400, `"maskRequestHost" must be a host name, with a port if need be, not "${host.slice(0, 100)}"`)
  const wrong = ports.find((port) => port < 1 || port > 65_535 || port === envdPort)
  if (wrong !== undefined || ports.length > 64)
    throw new Refusal(400, `"httpsPorts" takes up to 64 ports from 1 to 65535, and not ${wrong ?? ports.length}`)
  return {
    [portAccessLabel]: allowPublicTraffic === false ? 'token' : 'public',
    ...(host ? { [maskHostLabel]: host } : {}),
    ...(ports.length > 0 ? { [httpsPortsLabel]: ports.join(',') } : {}),
  }
}

function insideLabel(secure: boolean | undefined, { allowPublicTraffic }: Network): Record<string, string> {
  if (secure !== false) return {}
  if (allowPublicTraffic === false)
    throw new Refusal(
      400,
      '"allowPublicTraffic" can be false only if "secure" is not: ports cannot be closed where all is open',
    )
  return { [insideAccessLabel]: 'public' }
}

function hasKeys(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

export const UpdateNetwork = Type.Object(
  {
    ...reachFields,
    ...outgoingFields,
    allow_internet_access: Type.Optional(Type.Boolean()),
  },
  strict,
)

/** The policy that a change asks for; nothing in it is the operator's default, as at a create. Identity tokens stay. */
export function updateInput(
  { allow_internet_access: internetAccess, ...network }: Static<typeof UpdateNetwork>,
  given: Pick<Surroundings, 'identity' | 'usual'>,
): AskedNetwork {
  return networkInput(network as Network, { internetAccess, ...given })
}

function identityInput({ iam }: NewSandbox): SetNetwork['identity'] {
  const { tokens = {} } = (iam ?? {}) as Static<typeof Iam>
  const read = Object.entries(tokens).map(([name, { audience, tokenType }]) => {
    if (tokenType === 'JWT-SVID') return [name, audience]
    throw new Refusal(400, `"iam.tokens.${name}.tokenType" must be "JWT-SVID", not "${tokenType.slice(0, 40)}"`)
  })
  return read.length > 0 ? Object.fromEntries(read) : undefined
}

interface Surroundings {
  internetAccess: boolean | undefined
  identity: SetNetwork['identity']
  usual: 'allow' | 'deny'
}

function networkInput(network: Network, { internetAccess, identity, usual }: Surroundings): AskedNetwork {
  return {
    ...reachInput(network, internetAccess, usual),
    ...outgoingInput(network),
    ...(identity ? { identity } : {}),
  }
}
