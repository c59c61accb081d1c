import { type Static, Type } from 'typebox'
import { Environment, maxTimeoutSeconds, plainText } from '../sandbox.ts'

/** What a sandbox has to bring: python3 for all of them, node for the second and the third, bash, Rscript, a JDK with jshell. */
export const contextLanguages = ['python', 'javascript', 'typescript', 'bash', 'r', 'java'] as const
export type ContextLanguage = (typeof contextLanguages)[number]

export const CreateContext = Type.Object(
  {
    language: Type.Optional(Type.Enum([...contextLanguages], { default: 'python' })),
    cwd: Type.Optional(Type.String({ minLength: 1, ...plainText, description: 'Default: the home of the user.' })),
  },
  { $id: 'CreateContext', additionalProperties: false },
)
export type CreateContext = Static<typeof CreateContext>

export const ExecuteInContext = Type.Object(
  {
    code: Type.String({ ...plainText, description: 'Source code. Its definitions stay for the next execution.' }),
    env: Type.Optional(Environment),
    timeout: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: maxTimeoutSeconds,
        description: 'Seconds after which the code is interrupted, and two seconds later its context killed.',
      }),
    ),
    stream: Type.Optional(
      Type.Boolean({ description: 'Answer with server-sent events, as `Accept: text/event-stream` does.' }),
    ),
  },
  { $id: 'ExecuteInContext', additionalProperties: false },
)
export type ExecuteInContext = Static<typeof ExecuteInContext>

/** An interpreter inside a sandbox that keeps what it has been told. It ends with its sandbox, or before. */
export interface Context {
  id: string
  language: ContextLanguage
  state: 'idle' | 'busy'
  cwd: string
  createdAt: Date
}
