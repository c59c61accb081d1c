import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'

export const routeMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', '*'] as const
export type RouteMethod = (typeof routeMethods)[number]

export const CreateRoute = Type.Object(
  {
    path: Type.String({
      minLength: 1,
      maxLength: 500,
      format: 'plain-text',
      description: 'Such as `/orders/{id}`: `{name}` stands for one segment, `{name+}` at the end for one or more.',
    }),
    method: Type.Optional(
      Type.Enum([...routeMethods], { description: 'Which requests; those of GET also for HEAD. Default `*`: all.' }),
    ),
    function: Type.String({ maxLength: 64, description: 'The name or the id of a function of yours.' }),
    version: Type.Optional(
      Type.String({ maxLength: 64, description: 'A version, an alias, or `latest`. Default: where its calls go.' }),
    ),
  },
  { $id: 'CreateRoute', additionalProperties: false },
)
export type CreateRoute = Static<typeof CreateRoute>

/** A piece of a path: what it must be, or the name that it is given. */
type Segment = { is: 'literal' | 'one' | 'rest'; text: string }

export interface Route {
  id: string
  accountId: string
  functionId: string
  method: RouteMethod
  path: string
  segments: Segment[]
  version: string | undefined
  createdAt: Date
}

export interface RouteMatch {
  route: Route
  params: Record<string, string>
}

const mostSegments = 32
const literal = /^[^{}?#%\\\s]+$/
const parameter = /^\{([A-Za-z_][A-Za-z0-9_]{0,63})(\+?)\}$/
const ranks = { literal: 0, one: 1, rest: 2 }

/** Throws `invalid_request` saying what is wrong with the path. */
export function readPath(path: string): Segment[] {
  if (!path.startsWith('/')) throw wrong('it begins with a slash')
  const parts = path.slice(1).split('/')
  if (parts.length > mostSegments) throw wrong(`it has at most ${mostSegments} segments`)
  const segments = parts.map((part, at): Segment => {
    const [, name, rest] = parameter.exec(part) ?? []
    if (rest === '+' && at < parts.length - 1) throw wrong(`{${name}+} is its last segment`)
    if (name !== undefined) return { is: rest === '+' ? 'rest' : 'one', text: name }
    if (part === '' && at < parts.length - 1) throw wrong('no segment but the last one is empty')
    if (part === '.' || part === '..') throw wrong('no segment is . or ..')
    if (part !== '' && !literal.test(part))
      throw wrong(`"${part.slice(0, 100)}" is no segment: a text, {name} or {name+}`)
    return { is: 'literal', text: part }
  })
  const names = segments.flatMap(({ is, text }) => (is === 'literal' ? [] : [text]))
  if (new Set(names).size < names.length) throw wrong('no two of its parameters have the same name')
  return segments

  function wrong(rule: string): WarrenError {
    return new WarrenError('invalid_request', `the path of a route is such that ${rule}, not "${path.slice(0, 200)}"`, {
      hint: 'Such as /orders/{id} or /files/{path+}.',
    })
  }
}

/** The same for paths that match the same requests. */
export function shapeOf(segments: readonly Segment[]): string {
  const shapes = { one: () => '{}', rest: () => '{+}', literal: (text: string) => text }
  return segments.map(({ is, text }) => `/${shapes[is](text)}`).join('')
}

/**
 * The route of a request, by the path as it came. Segment by segment from the left a text goes before `{name}` and that before
 * `{name+}`; then a method before `*`. Where only the method fits none, those that would. Throws `invalid_request` for a path
 * that cannot be read.
 */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): RouteMatch | { allow: RouteMethod[] } | undefined {
  const parts = path.slice(1).split('/').map(decode)
  if (parts.some((part) => part === '.' || part === '..')) return undefined
  const matches = routes.flatMap((route) => {
    const params = match(route.segments, parts)
    return params ? [{ route, params }] : []
  })
  const wanted = method === 'HEAD' ? 'GET' : method
  const [first] = matches.filter(({ route }) => route.method === wanted || route.method === '*').sort(byPrecedence)
  if (first) return first
  return matches.length === 0 ? undefined : { allow: [...new Set(matches.map(({ route }) => route.method))].sort() }
}

function match(segments: readonly Segment[], parts: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {}
  for (const [at, { is, text }] of segments.entries()) {
    const part = parts[at]
    if (part === undefined) return undefined
    if (is === 'literal' ? part !== text : part === '') return undefined
    if (is === 'one') params[text] = part
    else if (is === 'rest') return { ...params, [text]: parts.slice(at).join('/') }
  }
  return parts.length === segments.length ? params : undefined
}

/** Of two that match the same path. */
function byPrecedence({ route: one }: RouteMatch, { route: other }: RouteMatch): number {
  for (const [at, { is }] of one.segments.entries()) {
    const difference = ranks[is] - ranks[other.segments[at]?.is ?? 'literal']
    if (difference !== 0) return difference
  }
  return Number(one.method === '*') - Number(other.method === '*')
}

function decode(part: string): string {
  try {
    const text = decodeURIComponent(part)
    // What no database and no file takes is no name of a thing.
    if (!text.includes('\0')) return text
  } catch {}
  throw new WarrenError('invalid_request', `the path has a segment that cannot be read: "${part.slice(0, 100)}"`)
}
