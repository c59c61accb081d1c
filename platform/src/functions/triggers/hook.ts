import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'

export const hookSchemes = ['address', 'standard-webhooks', 'github', 'stripe'] as const
export type HookScheme = (typeof hookSchemes)[number]

const header = (description: string) =>
  Type.Optional(Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", maxLength: 100, description }))

export const CreateHook = Type.Object(
  {
    scheme: Type.Optional(
      Type.Enum([...hookSchemes], {
        description:
          'How a delivery shows that it is genuine. `address`: its address cannot be guessed. `standard-webhooks`: `webhook-id`, `webhook-timestamp`, `webhook-signature` ' +
          '(or `svix-…`). `github`: `X-Hub-Signature-256`. `stripe`: `Stripe-Signature: t=…,v1=…`. Default `address`.',
      }),
    ),
    secrets: Type.Optional(
      Type.Array(Type.String({ maxLength: 200 }), {
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
        description: 'Names of secrets of yours, any of which signs: what the sender calls the signing secret.',
      }),
    ),
    signatureHeader: header(
      'Where the signature is, for senders that sign as GitHub or Stripe does under another name.',
    ),
    idHeader: header(
      'Which header names a delivery, for `address` and `github`. Default `X-GitHub-Delivery` for github.',
    ),
    toleranceSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3600,
        description: 'How far the time of a signature may be from now, where it has one. Default 300.',
      }),
    ),
  },
  { $id: 'CreateHook', additionalProperties: false },
)
export type CreateHook = Static<typeof CreateHook>

export interface Hook {
  id: string
  accountId: string
  functionId: string
  scheme: HookScheme
  /** Names of secrets. */
  secrets: string[]
  signatureHeader: string | undefined
  idHeader: string | undefined
  toleranceSeconds: number
  /** Of the rest of the address, in hexadecimal, where that is what must not be guessed. */
  tokenHash: string | undefined
  createdAt: Date
}

export const defaultToleranceSeconds = 300

/** Throws `invalid_request` for what does not go together. */
export function checkHook({
  scheme = 'address',
  secrets,
  signatureHeader,
  idHeader,
  toleranceSeconds,
}: CreateHook): void {
  if (scheme === 'address' ? secrets : !secrets)
    throw new WarrenError(
      'invalid_request',
      scheme === 'address'
        ? 'a hook with the scheme address has no signature, so it has no secrets'
        : `a hook with the scheme ${scheme} needs the name of a secret of yours in secrets`,
      { hint: 'warren secret create NAME, and then secrets: ["NAME"] with the scheme that the sender signs by.' },
    )
  if (signatureHeader && scheme !== 'github' && scheme !== 'stripe')
    throw new WarrenError('invalid_request', `signatureHeader is for the schemes github and stripe, not ${scheme}`)
  if (idHeader && scheme !== 'github' && scheme !== 'address')
    throw new WarrenError('invalid_request', `with the scheme ${scheme} what names a delivery is signed: no idHeader`)
  if (toleranceSeconds && scheme !== 'standard-webhooks' && scheme !== 'stripe')
    throw new WarrenError('invalid_request', `with the scheme ${scheme} no time is signed: no toleranceSeconds`)
}
