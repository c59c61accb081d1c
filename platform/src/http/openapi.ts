import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyContextConfig, FastifySchema } from 'fastify'
import { ClientMessage, connectionPaths, ServerMessage } from './api/connections.ts'
import { bytes } from './api/schema.ts'

/** What the OpenAPI document says beside the routes, and where it says more than fastify is to check. */
export const openApi: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Warren',
      version: '1',
      description:
        'Sandboxes to run code in. Errors are the schema `Problem` everywhere; times are ISO 8601 in UTC. A response of type ' +
        '`text/event-stream` is a sequence of server-sent events; its schema describes one of them.',
    },
    // Relative: the server that the document came from.
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        webSocketProtocol: {
          type: 'apiKey',
          in: 'header',
          name: 'Sec-WebSocket-Protocol',
          description: 'For browsers, which can set no other header there: the subprotocol `warren.key.<key>`.',
        },
      },
    },
  },
  refResolver: { buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `schema-${index}`) },
  transform: ({ schema, url, route }) => ({
    schema: { ...withKey(withPatternParameter(withRawBody(schema))), ...permissionOf(route.config?.permission) },
    url: url.replace(/\*$/, ':key'),
  }),
  transformObject: (documents) => completed(documents as unknown as { openapiObject: Document }) as never,
}

interface Document {
  components: { schemas: object }
  paths: Record<string, Record<string, { operationId: string; requestBody?: { required: boolean } }>>
}

/** What belongs to no route is added. A body that may be absent is said to be required by swagger, whatever the route takes. */
function completed({ openapiObject: { components, paths, ...rest } }: { openapiObject: Document }): Document {
  for (const { operationId, requestBody } of Object.values(paths).flatMap((path) => Object.values(path))) {
    if (requestBody && emptyBodyIsFine.has(operationId)) requestBody.required = false
  }
  const schemas = { ...components.schemas, ClientMessage, ServerMessage }
  return { ...rest, components: { ...components, schemas }, paths: { ...paths, ...connectionPaths } } as Document
}

const emptyBodyIsFine = new Set([
  ...['createSandbox', 'pauseSandbox', 'resumeSandbox', 'forkSandbox', 'cloneSandbox', 'createSnapshot'],
  ...['writeFile', 'writeProcessStdin', 'rotateWebhook', 'replayWebhook'],
])

/** A body that is taken as a stream has no schema, or fastify would validate it: here it gets one. */
function withRawBody(schema: FastifySchema): FastifySchema {
  return schema?.consumes?.includes('application/octet-stream') ? { ...schema, body: { content: bytes } } : schema
}

/** Query names that follow a pattern are one parameter: an object whose fields are spread over the query, as is the default. */
function withPatternParameter(schema: FastifySchema): FastifySchema {
  const querystring = schema?.querystring as
    | { properties?: object; patternProperties?: Record<string, Named> }
    | undefined
  const patterns = Object.entries(querystring?.patternProperties ?? {})
  if (!querystring || patterns.length === 0) return schema
  const added = patterns.map(([pattern, { title, description, ...value }]) => [
    title,
    { type: 'object', description, propertyNames: { pattern }, additionalProperties: value },
  ])
  return {
    ...schema,
    querystring: { ...querystring, properties: { ...querystring.properties, ...Object.fromEntries(added) } },
  }
}

/** What is left of a path is the key of an object there. */
function withKey(schema: FastifySchema): FastifySchema {
  const params = schema?.params as { properties?: Record<string, unknown> } | undefined
  if (!params?.properties || !('*' in params.properties)) return schema
  const { '*': key, ...properties } = params.properties
  return {
    ...schema,
    params: { ...params, properties: { ...properties, key }, required: [...Object.keys(properties), 'key'] },
  }
}

interface Named {
  title: string
  description: string
}

/** As an extension, for who reads the document to see what a key must be permitted. */
function permissionOf(permission: FastifyContextConfig['permission']): object {
  return permission === undefined ? {} : { 'x-permission': permission }
}
