import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import { QuotaView, SetQuotas } from '../../quotas/quota.ts'
import type { Quotas } from '../../quotas/quotas.ts'
import { json, Nothing, named, problems } from './schema.ts'

const QuotaList = Type.Object({ quotas: Type.Array(named(QuotaView)) }, { $id: 'QuotaList' })

export const quotaSchemas = [SetQuotas, QuotaView, QuotaList]

/** /v1/quotas: what an organisation may have and has. The operator sets it. */
export function quotaRoutes(
  app: FastifyInstance,
  quotas: Quotas,
  { organisations }: Pick<Accounts, 'organisations'>,
): void {
  app.get(
    '/quotas',
    {
      config: { permission: 'usage:read' },
      schema: {
        operationId: 'listQuotas',
        summary: 'What the organisation may have, and what it has',
        tags: ['platform'],
        response: { 200: json('All of them.', QuotaList), ...problems },
      },
    },
    async ({ account }): Promise<Static<typeof QuotaList>> => ({
      quotas: (await quotas.get(account)).map(({ name, most, used, isOwn }) => ({
        name,
        ...(most === undefined ? {} : { most }),
        used,
        own: isOwn,
      })),
    }),
  )

  app.put<{ Body: SetQuotas }>(
    '/quotas',
    {
      config: { permission: 'platform:manage', audit: 'quota.set' },
      schema: {
        operationId: 'setQuotas',
        summary: 'Set what an organisation may have; what it has already stays',
        tags: ['platform'],
        body: named(SetQuotas),
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, body }, reply) => {
      const { id } = body.organisation === undefined ? account : await organisations.get(body.organisation)
      await quotas.set(id, body)
      return reply.code(204).send()
    },
  )
}
