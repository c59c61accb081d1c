import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { pausedSeconds } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { checkedTimeout, Timeout } from './create-input.ts'
import { markedView } from './marks.ts'
import { Refusal } from './refusal.ts'
import { ById, emptyBodyIsFine, known, subjectOf, visible } from './sandboxes.ts'
import type { ViewDeps } from './view.ts'

const Pause = Type.Object({ memory: Type.Optional(Type.Boolean()) }, { additionalProperties: false })
const Resume = Type.Object(
  {
    timeout: Type.Optional(Timeout),
    autoPause: Type.Optional(Type.Boolean()),
    memory: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const resumedSeconds = 15

/** Sandboxes that stand still, with what ran or with their files alone. */
export function e2bPauseRoutes(app: FastifyInstance, sandboxes: Sandboxes, view: ViewDeps): void {
  app.post<ById & { Body: Static<typeof Pause> }>(
    '/sandboxes/:sandboxID/pause',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.pause' },
      schema: { params: ById, body: Pause },
      preValidation: emptyBodyIsFine,
    },
    async (request, reply) => {
      const { memory = true } = request.body
      await known(request, sandboxes.pause(subjectOf(request), { memory, timeout: pausedSeconds.most }))
      return reply.code(204).send()
    },
  )

  app.post<ById & { Body: Static<typeof Resume> }>(
    '/sandboxes/:sandboxID/resume',
    {
      config: { permission: ['sandboxes:write', 'sandboxes:exec'], audit: 'sandbox.resume' },
      schema: { params: ById, body: Resume },
      preValidation: emptyBodyIsFine,
    },
    async (request, reply) => {
      const { timeout = resumedSeconds, autoPause, memory = true } = request.body
      const { lifecycle } = await visible(sandboxes, request)
      if (autoPause !== undefined && autoPause !== (lifecycle.onTimeout === 'pause'))
        throw new Refusal(400, '"autoPause" is said when a sandbox is created, and not changed by this server later')
      const wish = { timeout: checkedTimeout(timeout), memory }
      const { sandbox, resumed } = await known(request, sandboxes.connect(subjectOf(request), wish))
      if (!resumed) throw new Refusal(409, `Sandbox ${sandbox.id} is already running`)
      reply.code(201)
      return markedView(view, sandbox)
    },
  )
}
