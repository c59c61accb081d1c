import type { FastifyInstance } from 'fastify'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Templates } from '../../templates/templates.ts'
import { templateName } from './create-input.ts'
import { Refusal } from './refusal.ts'
import { removeSnapshotById } from './snapshot-names.ts'

/** Whether a template exists, by its name; and the end of snapshots, which are templates to E2B. */
export function e2bTemplateRoutes(
  app: FastifyInstance,
  { templates, sandboxes }: { templates: Templates; sandboxes: Sandboxes },
): void {
  app.get<{ Params: { alias: string } }>('/templates/aliases/:alias', async ({ params }) => {
    const { name } = await templates.find(templateName(params.alias)).catch(() => {
      throw new Refusal(404, `template '${params.alias.slice(0, 256)}' not found`)
    })
    return { templateID: name, public: true }
  })

  app.delete<{ Params: { templateID: string } }>('/templates/:templateID', async ({ account, params }, reply) => {
    const id = params.templateID
    if (!(await removeSnapshotById(sandboxes, account, id)))
      throw new Refusal(404, `template '${id.slice(0, 256)}' not found`)
    return reply.code(204).send()
  })
}
