import type { FastifyInstance, FastifyRequest } from 'fastify'
import { authorize } from '../accounts/roles.ts'
import { WarrenError } from '../errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Gateway } from './gateway/gateway.ts'

/** Who may read the figures: `key`: the operator; `loopback`: also whoever is on this machine; `off`: nobody. */
export type MetricsAccess = 'key' | 'loopback' | 'off'

/** GET /metrics for Prometheus, and the time of each request by its route. */
export function metricsRoutes(
  app: FastifyInstance,
  metrics: Metrics,
  { access, gateway }: { access: MetricsAccess; gateway: Pick<Gateway, 'admit'> },
): void {
  app.addHook('onResponse', (request, reply, done) => {
    // Counted once, by who answered it.
    if (request.servedBy !== undefined) return done()
    // The pattern and not the address: that is a caller's, and there is no end of them.
    const route = request.routeOptions.url ?? 'unknown'
    metrics.answered({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000)
    done()
  })
  if (access === 'off') return
  app.get('/metrics', { schema: { hide: true } as object }, async (request, reply) => {
    if (!(access === 'loopback' && isFromHere(request))) {
      const { principal } = await gateway.admit({ request: request.raw, response: reply.raw })
      authorize(principal, 'platform:manage')
    }
    const text = await metrics.read().catch((cause) => {
      throw new WarrenError('unavailable', 'the figures cannot be read at the moment', { cause })
    })
    return reply.header('content-type', metrics.contentType).send(text)
  })
}

/** From this machine, and not through a proxy on it. */
function isFromHere({ raw, headers }: FastifyRequest): boolean {
  const address = raw.socket.remoteAddress ?? ''
  const isLoopback = address === '::1' || /^(::ffff:)?127\./.test(address)
  return isLoopback && !headers['x-forwarded-for'] && !headers.forwarded
}
