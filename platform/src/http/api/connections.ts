import { Type } from 'typebox'
import { TerminalSize } from '../../sandboxes/program.ts'
import { exitSchemas } from '../exit-view.ts'
import { Problem } from '../problem.ts'

/*
 * What the document says about addresses that never reach the router: WebSockets (terminals.ts) and ports (previews.ts).
 * Written as OpenAPI, for fastify knows nothing of them.
 */

export const ClientMessage = Type.Union(
  [
    Type.Object({ type: Type.Literal('resize'), ...TerminalSize.properties }),
    Type.Object({ type: Type.Literal('eof') }, { description: 'Closes standard input.' }),
    Type.Object({ type: Type.Literal('signal'), signal: Type.Integer({ description: 'Its number, such as 15.' }) }),
  ],
  { description: 'A text message of the client. Its binary messages are bytes of standard input.' },
)

export const ServerMessage = Type.Union(
  [
    Type.Object({ type: Type.Literal('started'), processId: Type.String(), pid: Type.Integer() }),
    Type.Object({ type: Type.Literal('exit'), ...exitSchemas }, { description: 'The last.' }),
    Type.Object({ type: Type.Literal('error'), ...Problem.properties }, { description: 'A failure.' }),
  ],
  { description: 'A text message of the server. Its binary messages are bytes of output.' },
)

const path = (name: string, description: string, schema: object = { type: 'string' }) => ({
  in: 'path',
  name,
  required: true,
  description,
  schema,
})
const query = (name: string, description: string, schema: object = { type: 'string' }) => ({
  in: 'query',
  name,
  required: false,
  description,
  schema,
})
const id = path('id', 'The sandbox.')
const portNumber = { type: 'integer', minimum: 1, maximum: 65_535 }
const offset = { type: 'integer', minimum: 0 }
const size = (otherwise: number) => ({ type: 'integer', minimum: 1, maximum: 1000, default: otherwise })
const problem = (description: string) => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
})

function webSocket(operation: { operationId: string; summary: string; description: string; parameters: object[] }) {
  return {
    ...operation,
    tags: ['processes'],
    security: [{ bearer: [] }, { apiKey: [] }, { webSocketProtocol: [] }],
    responses: {
      '101': {
        description:
          'Switched to WebSocket. Messages are what `x-websocket` says. It closes with 3000 when the key is revoked or the session ' +
          'over, and with 3003 when the caller may do less than when it was opened.',
      },
      '4XX': problem('Refused, before the protocol is switched.'),
      '5XX': problem('Failed, before the protocol is switched.'),
    },
    'x-websocket': {
      send: { $ref: '#/components/schemas/ClientMessage' },
      receive: { $ref: '#/components/schemas/ServerMessage' },
    },
  }
}

/** An answer of Warren itself; the program may give the same status in its own words. */
const own = (description: string) => ({
  description: `${description} Or an answer of the program with this status.`,
  content: { ...problem('').content, '*/*': { schema: {} } },
})

const portOperation = (method: string) => ({
  operationId: `${method}Port`,
  summary: 'Pass a request on to what listens on a port inside',
  description:
    'Method, headers, query and body go there as they are, but for the key; the answer comes back as it is. Both are ' +
    'streamed, and WebSocket works too. The same program answers at the `url` of the port in `GET /v1/sandboxes/{id}/ports`. ' +
    'For programs that can send the key: the address bar of a browser cannot.',
  tags: ['ports'],
  parameters: [
    id,
    path('port', 'A TCP port that is listened on inside.', portNumber),
    path('path', 'Any path, empty or with slashes in it; a query may follow.'),
  ],
  ...(['post', 'put', 'patch'].includes(method)
    ? { requestBody: { description: 'Whatever the program takes.', content: { '*/*': { schema: {} } } } }
    : {}),
  responses: {
    default: { description: 'What the program answers.', content: { '*/*': { schema: {} } } },
    '401': own('No key, or an unknown one.'),
    '404': own('There is no such sandbox, or the address names no port.'),
    '502': own('Nothing listens on the port, or what listens there speaks no HTTP.'),
  },
})

export const connectionPaths = {
  '/v1/sandboxes/{id}/terminal': {
    get: webSocket({
      operationId: 'openTerminal',
      summary: 'Open a terminal in a new process, over WebSocket',
      description: 'When the client goes away, the terminal is hung up.',
      parameters: [
        id,
        query('command', 'A line for /bin/sh. Default: an interactive bash.'),
        query('cols', 'Columns.', size(80)),
        query('rows', 'Rows.', size(24)),
        query('cwd', 'Default: the home of the user.'),
        query('user', 'Default: `user`.'),
      ],
    }),
  },
  '/v1/sandboxes/{id}/console': {
    get: webSocket({
      operationId: 'openConsole',
      summary: 'Attach to the serial console of a microVM, over WebSocket',
      description: 'Binary messages only: the last 64 KiB of what the machine said, then both ways.',
      parameters: [id],
    }),
  },
  '/v1/sandboxes/{id}/processes/{processId}/attach': {
    get: webSocket({
      operationId: 'attachProcess',
      summary: 'Join a running process, over WebSocket',
      description:
        'Its output from the given byte offsets on, and its input. When the client goes away, the process goes on.',
      parameters: [
        id,
        path('processId', 'The process.'),
        query('stdoutOffset', 'Where to go on in standard output.', offset),
        query('stderrOffset', 'Where to go on in standard error.', offset),
      ],
    }),
  },
  '/v1/sandboxes/{id}/ports/{port}/{path}': Object.fromEntries(
    ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'].map((method) => [method, portOperation(method)]),
  ),
}
