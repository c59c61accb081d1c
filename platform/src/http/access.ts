import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Account } from '../accounts/account.ts'
import type { Principal } from '../accounts/principal.ts'
import { authorize, type Permission } from '../accounts/roles.ts'
import type { Gateway } from './gateway/gateway.ts'
import { refuseKeyInAddress } from './keys-in-addresses.ts'

/** Who does something, and in which organisation. */
export interface Acting {
  accountId: string
  actorKind: string
  actor: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** For which organisation this request is. Set on every route that is not for anyone. */
    account: Account
    /** Who calls. Set where `account` is. */
    principal: Principal
    /** Where it came from, behind the proxies that are trusted and the node that passed it on. */
    readonly address: string
    /** As whose the call is recorded where no key says so: set when what says it was proven. */
    auditedAs: Acting | undefined
    /** The worker that answers it; set where we do not. */
    servedBy: string | undefined
  }
  interface FastifyContextConfig {
    /** What a caller must be permitted, of several all; `self`: nothing but to be known; `anyone`: not even that. */
    permission?: Permission | readonly Permission[] | 'self' | 'anyone'
    /** The verb under which a call of this route stands in the audit log; without one it is not in there. */
    audit?: string
    /** Whether a call is in the log before it has an effect; by default what its permission says. */
    before?: boolean
    /** Why calls of a route that changes something are not in the log. */
    unaudited?: string
    /** It starts a sandbox, which may be on another node. */
    places?: boolean
  }
}

/**
 * Lets into the routes of `app` who may call them: the one place where that is decided. A route that does not say what it
 * takes is refused when it is added, so that none can be forgotten.
 */
export function accessControl(app: FastifyInstance, gateway: Pick<Gateway, 'admit' | 'admitAnyone'>): void {
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.permission === undefined)
      throw new Error(`${method} ${url} declares no permission: config: { permission: … }, see accounts/roles.ts`)
  })
  app.addHook('onRequest', async (request, reply) => {
    refuseKeyInAddress(request.url)
    const { permission } = request.routeOptions.config
    const exchange = { request: request.raw, response: reply.raw }
    // What does not exist is answered without a look at who asks.
    if (permission === undefined) return
    if (permission === 'anyone') return gateway.admitAnyone(exchange)
    const { account, principal } = await gateway.admit(exchange, organisationOf(request))
    request.account = account
    request.principal = principal
    if (permission !== 'self') for (const one of [permission].flat()) authorize(principal, one)
  })
}

/** The organisation that the path names, else the header `Warren-Organisation`. */
function organisationOf({ params, headers }: FastifyRequest): { organisation?: string } {
  const named = (params as { organisation?: string }).organisation ?? headers['warren-organisation']
  return typeof named === 'string' && named !== '' ? { organisation: named } : {}
}
