import type { RouteOptions } from 'fastify'

type Name = 'preHandler' | 'preSerialization' | 'onResponse'
type Hook<N extends Name> = Extract<RouteOptions[N], (...given: never[]) => unknown>

/**
 * For `onRoute`: lets one route run `hook`, after those that it has. What only some routes need costs the others nothing so, not
 * even to find out that they do not need it.
 */
export function addRouteHook<N extends Name>(route: RouteOptions, name: N, hook: Hook<N>): void {
  const own = (route[name] ?? []) as Hook<N> | Hook<N>[]
  route[name] = [...[own].flat(), hook] as never
}
