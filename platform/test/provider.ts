import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
// @ts-expect-error it has no types
import Provider from 'oidc-provider'

/** A real provider of single sign-on (the package oidc-provider) on this machine. Who signs in as NAME has the address NAME. */
export async function startProvider(options: { redirectUri: () => string; unverified?: string[] }) {
  let handle: http.RequestListener = (_request, response) => response.end()
  const server = http.createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  after(() => server.close())

  /** Where people are sent back to is only known once the platform listens. */
  const open = () => {
    const provider = new Provider(issuer, {
      clients: [{ client_id: 'warren', client_secret: 'a secret of the test', redirect_uris: [options.redirectUri()] }],
      cookies: { keys: ['a key of the test'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      pkce: { required: () => true },
      findAccount: (_context: unknown, id: string) => ({
        accountId: id,
        claims: async () => ({
          sub: id,
          email: id,
          email_verified: !options.unverified?.includes(id),
          name: `Name of ${id}`,
        }),
      }),
    })
    provider.on('server_error', (_context: unknown, error: Error) => console.error('oidc-provider:', error))
    handle = provider.callback()
  }
  return { issuer, open }
}

/** A browser as far as signing in goes: it keeps cookies and follows redirects until one leads to `end`; answers that address. */
export async function signInAt(start: string, { login, end }: { login: string; end: string }): Promise<string> {
  const jar = new Map<string, string>()
  let next: { url: string; form?: Record<string, string> } = { url: start }
  for (let hop = 0; hop < 20; hop++) {
    if (next.url.startsWith(end)) return next.url
    const { form } = next
    const response: Response = await fetch(next.url, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { body: new URLSearchParams(form) } : {}),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
      jar.set(name!, value!)
    }
    const location = response.headers.get('location')
    const text = await response.text()
    if (location) next = { url: new URL(location, next.url).href }
    else {
      const prompt = /name="prompt" value="(\w+)"/.exec(text)?.[1]
      if (!prompt) throw new Error(`${response.status} at ${next.url}: ${text.slice(0, 500)}`)
      const action: string = /action="([^"]+)"/.exec(text)![1]!
      next = { url: new URL(action, next.url).href, form: { prompt, login, password: 'x' } }
    }
  }
  throw new Error(`it did not end after twenty redirects, at ${next.url}`)
}
