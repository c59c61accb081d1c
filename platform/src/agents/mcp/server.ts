import { type Static, Type } from 'typebox'
import { placeholdersIn } from '../../engine/network/outgoing.ts'

const text = { format: 'plain-text' }
const strict = { additionalProperties: false }
const Effects = Type.Enum(['read', 'idempotent', 'once'])

/** A server of the Model Context Protocol whose tools an agent has: at an address, or a program in the sandbox of the run. */
export const McpServer = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z0-9][a-z0-9-]{0,31}$',
      description: 'The tools of it are called `NAME__TOOL`. Lower-case letters, digits and dashes.',
    }),
    url: Type.Optional(
      Type.String({
        maxLength: 2048,
        ...text,
        description: 'Where it speaks streamable HTTP. Over https, in the public internet. Either this or `command`.',
      }),
    ),
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
        Type.String({ maxLength: 4096, pattern: '^[\\t\\x20-\\x7e]*$' }),
        {
          maxProperties: 16,
          description: `Sent along to the address. \${warren.secrets.NAME} in a value stands for a secret of yours.`,
        },
      ),
    ),
    command: Type.Optional(
      Type.Array(Type.String({ maxLength: 4096, ...text }), {
        minItems: 1,
        maxItems: 64,
        description: 'A program and its arguments, which speaks by its standard input and output, in the sandbox.',
      }),
    ),
    env: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' }),
        Type.String({ maxLength: 4096, ...text }),
        {
          maxProperties: 64,
          description:
            'Of the program, as it is. A placeholder of a secret is filled only on its way out, by `sandbox.network.secrets`.',
        },
      ),
    ),
    cwd: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, ...text })),
    tools: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128, ...text }), {
        maxItems: 128,
        uniqueItems: true,
        description: 'Those that the agent gets, by the names that the server gives them. Default: all.',
      }),
    ),
    effects: Type.Optional(
      Type.Record(Type.String({ maxLength: 128 }), Effects, {
        maxProperties: 128,
        description:
          'What repeating a call does, by the names of tools. Default: what the server says of them; where it says nothing, once.',
      }),
    ),
    optional: Type.Optional(
      Type.Boolean({ default: false, description: 'A run goes on without its tools where it cannot be reached.' }),
    ),
    timeoutSeconds: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 3600, default: 60, description: 'For one call.' }),
    ),
  },
  { ...strict, description: 'A server of tools, by the Model Context Protocol.' },
)
export type McpServer = Static<typeof McpServer>

/** Set by the protocol, or by the connection. */
const ownHeaders = /^(?:host|connection|content-.*|transfer-encoding|accept|cookie|mcp-.*|te|upgrade|expect)$/i

/** Why these are no servers; undefined where they are. */
export function serversFault(servers: readonly McpServer[]): string | undefined {
  const names = new Set<string>()
  for (const server of servers) {
    if (names.has(server.name)) return `two servers have the name "${server.name}"`
    names.add(server.name)
    const fault = serverFault(server)
    if (fault) return `"${server.name}": ${fault}`
  }
  return undefined
}

function serverFault({ url, command, headers = {}, env, cwd }: McpServer): string | undefined {
  if ((url === undefined) === (command === undefined)) return 'it has either "url" or "command", and not both'
  if (command) return Object.keys(headers).length > 0 ? '"headers" go with "url"' : undefined
  if (env || cwd !== undefined) return '"env" and "cwd" go with "command"'
  const parsed = URL.canParse(url!) ? new URL(url!) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol)) return '"url" must begin with https://'
  // It would be in every log that has the address.
  if (parsed.username || parsed.password) return '"url" may not have a password in it; use "headers"'
  if (placeholdersIn(url!).length > 0) return 'secrets go into "headers", not into "url"'
  const own = Object.keys(headers).find((name) => ownHeaders.test(name))
  return own && `the header "${own}" is set by the protocol`
}
