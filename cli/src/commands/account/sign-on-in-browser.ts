import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Auth, SignedIn } from '@warren/sdk'
import { text } from '../../messages.ts'

/** Lets somebody sign in at the provider in a browser, which comes back to an address of this command. */
export async function signOnInBrowser(auth: Auth): Promise<SignedIn> {
  const verifier = randomBytes(32).toString('base64url')
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const { promise, resolve } = Promise.withResolvers<string>()
  const server = createServer((request, response) => {
    const code = new URL(request.url ?? '/', 'http://localhost').searchParams.get('code')
    response.writeHead(code ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
    response.end(code ? text.backToTerminal : '')
    if (code) resolve(code)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  try {
    const returnTo = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    process.stderr.write(`${text.openInBrowser(auth.singleSignOnUrl({ returnTo, challenge }))}\n`)
    return await auth.finishSingleSignOn({ code: await promise, verifier })
  } finally {
    server.close()
  }
}
