import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'

/** What the OpenAPI document says beside the routes. */
export const openApi: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Warren',
      version: '1',
      description: 'Sandboxes to run code in. Errors are the schema `Problem` everywhere; times are ISO 8601 in UTC.',
    },
    servers: [{ url: 'http://127.0.0.1:7070' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  },
  refResolver: { buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `schema-${index}`) },
}
