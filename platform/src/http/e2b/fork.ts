import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import { checkedTimeout, Timeout } from './create-input.ts'
import { markedView } from './marks.ts'
import { Refusal, refusalOf } from './refusal.ts'
import { ById, emptyBodyIsFine, known, subjectOf } from './sandboxes.ts'
import type { ViewDeps } from './view.ts'

const Fork = Type.Object(
  { timeout: Type.Optional(Timeout), count: Type.Optional(Type.Integer()) },
  { additionalProperties: false },
)
const forkSeconds = 15
const mostForks = 100

/** Live copies of a running sandbox: one that fails takes no other along. */
export function e2bForkRoutes(app: FastifyInstance, sandboxes: Sandboxes, view: ViewDeps): void {
  app.post<ById & { Body: Static<typeof Fork> }>(
    '/sandboxes/:sandboxID/fork',
    {
      config: { permission: ['sandboxes:write', 'sandboxes:exec'], audit: 'sandbox.fork' },
      schema: { params: ById, body: Fork },
      preValidation: emptyBodyIsFine,
    },
    async (request, reply) => {
      const { timeout = forkSeconds, count = 1 } = request.body
      if (count < 1 || count > mostForks) throw new Refusal(400, `"count" must be 1 to ${mostForks}, not ${count}`)
      const wish = { timeout: checkedTimeout(timeout), count }
      const copies = await known(request, sandboxes.forkEach(subjectOf(request), wish, clientGone(reply.raw)))
      reply.code(201)
      return Promise.all(
        copies.map(async (copy) => {
          if (copy.status === 'fulfilled') return { sandbox: await markedView(view, copy.value) }
          const { code, message } = refusalOf(copy.reason, request.id).body
          return { error: { code, message } }
        }),
      )
    },
  )
}
