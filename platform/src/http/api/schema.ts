import { type Static, type TSchema, Type } from 'typebox'
import { Problem } from '../problem.ts'

/** Refers to a schema by its name, so that it stands in the OpenAPI document once and under that name. */
export function named<T extends TSchema>(schema: T & { $id?: string }) {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

/** The responses every route may give beside its own. */
export const problems = { '4xx': named(Problem), '5xx': named(Problem) }

export const Nothing = Type.Null({ description: 'No content.' })

/** What a route streams as server-sent events, for the document: fastify does not touch it. */
export function eventStream(description: string) {
  return { description, content: { 'text/event-stream': { schema: { type: 'string' } } } }
}

export const SandboxParams = Type.Object({ id: Type.String({ maxLength: 64 }) })
export const ProcessParams = Type.Object({
  id: Type.String({ maxLength: 64 }),
  processId: Type.String({ maxLength: 64 }),
})
