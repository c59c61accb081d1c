import { type Static, type TSchema, Type } from 'typebox'
import { errorCodes } from '../../errors.ts'
import { Problem } from '../problem.ts'

/** Refers to a schema by its name, so that it stands in the OpenAPI document once and under that name. */
export function named<T extends TSchema>(schema: T & { $id?: string }) {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

/** An answer in JSON. */
export function json<T extends TSchema>(description: string, schema: T & { $id?: string }) {
  return { description, content: { 'application/json': { schema: named(schema) } } }
}

/** Bytes as they are. */
export const bytes = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }

/** The responses every route may give beside its own. */
export const problems = {
  '4xx': json(`Refused. The code says why: ${codesFrom(400, 499)}.`, Problem),
  '5xx': json(`Failed on this side: ${codesFrom(500, 599)}.`, Problem),
}

export const Nothing = Type.Null({ description: 'Done. There is no content.' })

/** Server-sent events, for the document: fastify does not touch what is streamed. `one` describes one of them. */
export function eventStream<T extends TSchema>(description: string, one: T & { $id?: string }) {
  return {
    description,
    content: { 'text/event-stream': { schema: named(one) } },
  }
}

/** A server-sent event: the name in its `event` line, and what its `data` line holds as JSON. */
export function event<T extends TSchema>(name: string, data: T, description: string) {
  return Type.Object({ event: Type.Literal(name), data }, { description })
}

/** What every stream ends with when it fails. */
export const failureEvent = event('error', named(Problem), 'The stream failed. Nothing follows.')

function codesFrom(least: number, most: number): string {
  const chosen = Object.entries(errorCodes).filter(([, { status }]) => status >= least && status <= most)
  return chosen.map(([code, { status }]) => `\`${code}\` (${status})`).join(', ')
}

export const SandboxParams = Type.Object({ id: Type.String({ maxLength: 64 }) })
export const ProcessParams = Type.Object({
  id: Type.String({ maxLength: 64 }),
  processId: Type.String({ maxLength: 64 }),
})
