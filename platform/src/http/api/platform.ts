import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { isolations } from '../../engine/driver.ts'
import type { Engine } from '../../engine/engine.ts'
import { lastingAnswer } from '../serialization.ts'
import { json, named, problems } from './schema.ts'

const absent = Type.Optional(Type.String({ description: 'Why it cannot.' }))

const Runtime = Type.Object(
  {
    driver: Type.String(),
    isolation: Type.Enum([...isolations]),
    healthy: Type.Boolean(),
    reason: Type.String({ description: 'The verdict of booting it, as a sentence.' }),
    bootMs: Type.Optional(Type.Number()),
    capabilities: Type.Object(
      {
        pause: Type.Object({ memory: Type.Optional(Type.Enum(['saved', 'resident'])), absent }),
        snapshot: Type.Object({
          keeps: Type.Optional(Type.Enum(['memory', 'files'])),
          withoutMemory: Type.Optional(Type.String({ description: 'Why it holds files alone.' })),
          absent,
        }),
      },
      { description: 'What its sandboxes can do beside running. A fork needs snapshots that keep memory.' },
    ),
  },
  { $id: 'RuntimeReport' },
)
const RuntimeList = Type.Object({ runtimes: Type.Array(named(Runtime)) }, { $id: 'RuntimeList' })

export const platformSchemas = [Runtime, RuntimeList]

/** /v1/runtimes: what this host offers. */
export function platformRoutes(app: FastifyInstance, engine: Pick<Engine, 'drivers'>): void {
  let told: { of: readonly unknown[]; answer: object } | undefined

  app.get(
    '/runtimes',
    {
      config: { permission: 'self' },
      schema: {
        operationId: 'listRuntimes',
        summary: 'Every runtime of this host, strongest first, with the verdict of booting it',
        tags: ['platform'],
        response: { 200: json('The runtimes, strongest first.', RuntimeList), ...problems },
      },
    },
    async () => {
      const drivers = await engine.drivers()
      if (told?.of !== drivers) {
        const runtimes = drivers.map(({ fingerprint, ...driver }) => ({ ...driver, ...fingerprint }))
        told = { of: drivers, answer: lastingAnswer({ runtimes }) }
      }
      return told.answer
    },
  )
}
