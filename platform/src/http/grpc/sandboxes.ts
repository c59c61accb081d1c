import { Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { CloneSandbox, CreateSandbox, Metadata, type Sandbox, states } from '../../sandboxes/sandbox.ts'
import { SandboxParams } from '../api/schema.ts'
import type { Places } from '../places.ts'
import type { Read, Written } from '../rpc/message.ts'
import { sandboxView } from '../sandbox-view.ts'
import type { RpcCall, ServiceDeps } from './call.ts'
import { checked } from './checked.ts'
import { guarded } from './guarded.ts'
import type * as messages from './messages.ts'

type In<M extends keyof typeof messages> = Read<(typeof messages)[M]>
type Out<M extends keyof typeof messages> = Written<(typeof messages)[M]>

const ListSandboxes = Type.Object(
  {
    state: Type.Optional(Type.Enum([...states])),
    metadata: Type.Optional(Metadata),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: false },
)

export function createSandbox({ sandboxes, places, audit }: ServiceDeps) {
  return guarded<In<'CreateSandboxRequest'>, Out<'Sandbox'>>(
    audit,
    { permission: 'sandboxes:write', audit: 'sandbox.create', made: ({ id }) => id },
    async ({ account, signal }, request) =>
      written(await sandboxes.create(account, checked(CreateSandbox, request), signal), places),
  )
}

export function getSandbox({ sandboxes, places, audit }: ServiceDeps) {
  return guarded<In<'GetSandboxRequest'>, Out<'Sandbox'>>(
    audit,
    { permission: 'sandboxes:read', reads: true },
    async (call, { id }) => written(await sandboxes.get(subjectOf(call, id)), places),
  )
}

export function listSandboxes({ sandboxes, places, audit }: ServiceDeps) {
  return guarded<In<'ListSandboxesRequest'>, Out<'ListSandboxesResponse'>>(
    audit,
    { permission: 'sandboxes:read', reads: true },
    async ({ account }, request) => {
      const { metadata = {}, ...rest } = checked(ListSandboxes, request)
      const page = await sandboxes.list(account, { ...rest, metadata })
      return { sandboxes: page.sandboxes.map((one) => written(one, places)), nextCursor: page.nextCursor }
    },
  )
}

export function cloneSandbox({ sandboxes, places, audit }: ServiceDeps) {
  return guarded<In<'CloneSandboxRequest'>, Out<'Sandbox'>>(
    audit,
    { permission: 'sandboxes:write', audit: 'sandbox.clone', subject: ({ id }) => id },
    async (call, { id, ...request }) => {
      const input = { ...checked(CloneSandbox, request), count: 1 }
      const [copy] = await sandboxes.fork(subjectOf(call, id), input, call.signal)
      if (!copy) throw new WarrenError('conflict', 'the copy was deleted while it started')
      return written(copy, places)
    },
  )
}

export function killSandbox({ sandboxes, audit }: ServiceDeps) {
  return guarded<In<'KillSandboxRequest'>, Out<'KillSandboxResponse'>>(
    audit,
    { permission: 'sandboxes:write', audit: 'sandbox.remove', subject: ({ id }) => id },
    async (call, { id }) => {
      await sandboxes.remove(subjectOf(call, id))
      return {}
    },
  )
}

/** The sandbox that a message names, and who asks for it. */
export function subjectOf({ account }: RpcCall, id: string) {
  return { account, ...checked(SandboxParams, { id }) }
}

function written(sandbox: Sandbox, places: Places): Out<'Sandbox'> {
  const { createdAt, expiresAt } = sandbox
  return { ...sandboxView(sandbox, places), createdAt, expiresAt }
}
