import { type Static, Type } from 'typebox'

/** What is known of a secret. Its value is in no answer, event or log. */
export interface Secret {
  id: string
  accountId: string
  /** Lower case, the account's own. */
  name: string
  /** 1 for the first value, one more with each new one. */
  version: number
  /** Names and `*.` names to which it may go on its way out of a sandbox. */
  hosts: string[]
  metadata: Record<string, string>
  createdAt: Date
  updatedAt: Date
}

/** Its value, for whoever uses it on behalf of the account. */
export interface RevealedSecret {
  name: string
  value: string
  hosts: string[]
}

/** Ids begin with it, so names may not. */
export const idPrefix = 'sec_'

/** What one account may have. */
export const mostSecrets = 1000

/** What validation does not show when it is wrong (http/validation.ts). */
const unshown = { writeOnly: true } as const

export const SecretName = Type.String({
  minLength: 1,
  maxLength: 128,
  pattern: '^(?![sS][eE][cC]_)[^{}\\u0000-\\u001f\\u007f-\\u009f]+$',
  description: 'Kept in lower case. Without braces and control characters; `sec_` is what ids begin with.',
})

export const SecretValue = Type.String({
  minLength: 1,
  maxLength: 65_536,
  format: 'plain-text',
  ...unshown,
  description: 'The value. It is never shown again.',
})

const Hosts = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
  maxItems: 32,
  description:
    'Where it may go on its way out of a sandbox: `api.example.com`, `*.example.com`. Without any, wherever a rule of the sandbox’s owner sends it, and nowhere by a placeholder from inside.',
})

export const SecretMetadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  maxProperties: 32,
  propertyNames: { minLength: 1, maxLength: 128, format: 'plain-text' },
  additionalProperties: { type: 'string', maxLength: 1024, format: 'plain-text' },
  description: 'Labels of your own; not secret.',
})

export const CreateSecret = Type.Object(
  {
    name: SecretName,
    value: SecretValue,
    hosts: Type.Optional(Hosts),
    metadata: Type.Optional(SecretMetadata),
  },
  { $id: 'CreateSecret', additionalProperties: false },
)
export type CreateSecret = Static<typeof CreateSecret>

export const UpdateSecret = Type.Object(
  {
    value: Type.Optional(SecretValue),
    hosts: Type.Optional(Hosts),
    metadata: Type.Optional(SecretMetadata),
  },
  { $id: 'UpdateSecret', additionalProperties: false, minProperties: 1, description: 'What is left out stays.' },
)
export type UpdateSecret = Static<typeof UpdateSecret>

export const SecretView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    version: Type.Integer({ description: 'One more with each new value.' }),
    hosts: Hosts,
    metadata: SecretMetadata,
    createdAt: Type.String({ format: 'date-time' }),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Secret', description: 'What is known of a secret. Its value is never shown.' },
)
