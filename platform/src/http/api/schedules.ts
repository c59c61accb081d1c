import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Functions } from '../../functions/functions.ts'
import { CreateSchedule, type Schedule } from '../../functions/triggers/schedule.ts'
import { type ByFunction, FunctionParams } from './functions.ts'
import { json, Nothing, named, problems } from './schema.ts'

const ScheduleView = Type.Object(
  {
    id: Type.String(),
    cron: Type.String(),
    timeZone: Type.String(),
    catchUp: Type.Enum(['skip', 'one', 'all']),
    payload: Type.Unknown(),
    nextAt: Type.Optional(Type.String({ format: 'date-time' })),
    lastAt: Type.Optional(Type.String({ format: 'date-time' })),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Schedule' },
)
const ScheduleList = Type.Object({ schedules: Type.Array(named(ScheduleView)) }, { $id: 'ScheduleList' })
const ScheduleParams = Type.Object({ name: Type.String({ maxLength: 64 }), id: Type.String({ maxLength: 64 }) })

export const scheduleSchemas = [CreateSchedule, ScheduleView, ScheduleList]

/** /v1/functions/:name/schedules: calls by the clock. */
export function scheduleRoutes(app: FastifyInstance, functions: Functions): void {
  app.post<ByFunction & { Body: CreateSchedule }>(
    '/functions/:name/schedules',
    {
      config: { permission: 'functions:write', audit: 'schedule.create' },
      schema: {
        operationId: 'createSchedule',
        summary: 'Call a function by the clock, each time once',
        tags: ['functions'],
        params: FunctionParams,
        body: named(CreateSchedule),
        response: { 201: json('From now on it is called.', ScheduleView), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const { record } = await functions.get(account, params.name)
      reply.code(201)
      return viewOf(await functions.schedules.create(record, body))
    },
  )

  app.get<ByFunction>(
    '/functions/:name/schedules',
    {
      config: { permission: 'functions:read' },
      schema: {
        operationId: 'listSchedules',
        summary: 'When a function is called by the clock',
        tags: ['functions'],
        params: FunctionParams,
        response: { 200: json('All of them.', ScheduleList), ...problems },
      },
    },
    async ({ account, params }) => {
      const { record } = await functions.get(account, params.name)
      return { schedules: (await functions.schedules.list(record)).map(viewOf) }
    },
  )

  app.delete<{ Params: Static<typeof ScheduleParams> }>(
    '/functions/:name/schedules/:id',
    {
      config: { permission: 'functions:write', audit: 'schedule.delete' },
      schema: {
        operationId: 'deleteSchedule',
        summary: 'Call a function at these times no more',
        tags: ['functions'],
        params: ScheduleParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      const { record } = await functions.get(account, params.name)
      await functions.schedules.remove(record, params.id)
      return reply.code(204).send()
    },
  )
}

function viewOf({
  id,
  cron,
  timeZone,
  catchUp,
  payload,
  nextAt,
  lastAt,
  createdAt,
}: Schedule): Static<typeof ScheduleView> {
  return {
    ...{ id, cron, timeZone, catchUp, payload, createdAt: createdAt.toISOString() },
    ...(nextAt ? { nextAt: nextAt.toISOString() } : {}),
    ...(lastAt ? { lastAt: lastAt.toISOString() } : {}),
  }
}
