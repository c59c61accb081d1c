import { type Static, Type } from 'typebox'

export const PutQueue = Type.Object(
  {
    visibilitySeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 43_200,
        description: 'How long a message that was received is hidden from others. Default 30.',
      }),
    ),
    maxReceives: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'A message that was received so often and not deleted is a dead letter. Default 5.',
      }),
    ),
    deadLetterQueue: Type.Optional(
      Type.String({ maxLength: 63, description: 'Where dead letters go; without it they are deleted.' }),
    ),
    function: Type.Optional(
      Type.String({ maxLength: 64, description: 'The function that its messages are given to.' }),
    ),
    batch: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100, description: 'How many messages one call gets at most. Default 10.' }),
    ),
  },
  { $id: 'PutQueue', additionalProperties: false },
)
export type PutQueue = Static<typeof PutQueue>

export const SendMessages = Type.Object(
  {
    messages: Type.Array(
      Type.Object(
        {
          body: Type.Unknown({ description: 'Any JSON.' }),
          group: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 200,
              format: 'plain-text',
              description: 'Messages of one group are received in order, each when the one before is deleted.',
            }),
          ),
          delaySeconds: Type.Optional(Type.Number({ minimum: 0, maximum: 604_800 })),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 1000 },
    ),
  },
  { $id: 'SendMessages', additionalProperties: false },
)
export type SendMessages = Static<typeof SendMessages>

export interface Queue {
  id: string
  accountId: string
  name: string
  visibilitySeconds: number
  maxReceives: number
  deadLetterQueue: string | undefined
  functionId: string | undefined
  batch: number
  createdAt: Date
}

export interface Message {
  id: string
  body: unknown
  group: string | undefined
  receives: number
  /** Shown to delete it. */
  receipt: string
  enqueuedAt: Date
}
