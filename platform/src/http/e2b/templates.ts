import type { FastifyInstance } from 'fastify'
import type { Templates } from '../../templates/templates.ts'
import { templateName } from './create-input.ts'
import { Refusal } from './refusal.ts'

/** Whether a template exists, by its name. */
export function e2bTemplateRoutes(app: FastifyInstance, templates: Templates): void {
  app.get<{ Params: { alias: string } }>('/templates/aliases/:alias', async ({ params }) => {
    const { name } = await templates.find(templateName(params.alias)).catch(() => {
      throw new Refusal(404, `template '${params.alias.slice(0, 256)}' not found`)
    })
    return { templateID: name, public: true }
  })
}
