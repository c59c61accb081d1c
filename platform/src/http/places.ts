import type { Config } from '../config.ts'

/** How the ports of sandboxes are reached from outside. */
export interface Places {
  /** Below which each port of each sandbox has a name, with the port of this server where it has to be written. */
  domain(): string
  /** The address of a port; `{port}` stands for any. */
  ofPort(id: string, port: number | '{port}'): string
  /** The address below which requests are calls of a function. */
  ofFunction(id: string): string
  /** Below which the routes of an organisation are. */
  ofRoutes(accountId: string): string
  /** Where others call a function; with the token where only whoever has it may. */
  ofHook(id: string, token?: string): string
}

/** Without a domain of their own they are below localhost, which leads to this machine in browsers and curl. */
export function places(listensOn: () => number, configured: Config['domain']): Places {
  const domain = () => {
    if (!configured) return `localhost:${listensOn()}`
    const port = configured.port ?? listensOn()
    return port === 443 ? configured.name : `${configured.name}:${port}`
  }
  const scheme = configured ? 'https' : 'http'
  return {
    domain,
    ofPort: (id, port) => `${scheme}://${port}-${id}.${domain()}/`,
    ofFunction: (id) => `${scheme}://${domain()}/f/${id}/`,
    ofRoutes: (accountId) => `${scheme}://${domain()}/r/${accountId}`,
    ofHook: (id, token) => `${scheme}://${domain()}/h/${id}${token === undefined ? '' : `/${token}`}`,
  }
}
