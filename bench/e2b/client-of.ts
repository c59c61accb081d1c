import { Sandbox } from 'e2b'
import type { Platform } from '../measure/platform.ts'

/** What the measurements of the E2B door work with. */
export interface E2bDeps {
  /** Starts a sandbox as a program does that was written for E2B. */
  create(): Promise<Sandbox>
  url: string
  driver: string
  /** Of the platform. */
  pid: number
  quick: boolean
  tell: (line: string) => void
}

/** The released client in the mode without a domain: one address, no TLS. */
export function clientOf({ url, apiKey }: Platform): Pick<E2bDeps, 'create' | 'url'> {
  const options = { apiKey: apiKey!, apiUrl: url, sandboxUrl: url, timeoutMs: 600_000 }
  return { create: () => Sandbox.create(options), url }
}

/** Calls the inside of a sandbox as the client does, where the client has no word for it. */
export async function callInside(
  { url }: Pick<E2bDeps, 'url'>,
  sandbox: Sandbox,
  procedure: string,
  input: object,
): Promise<Record<string, unknown>> {
  // The client keeps the token to itself, but its signed addresses and all its calls carry it.
  const { envdAccessToken } = sandbox as unknown as { envdAccessToken: string }
  const reply = await fetch(`${url}/filesystem.Filesystem/${procedure}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'e2b-sandbox-id': sandbox.sandboxId,
      'e2b-sandbox-port': '49983',
      'x-access-token': envdAccessToken,
    },
    body: JSON.stringify(input),
  })
  if (!reply.ok) throw new Error(`${procedure}: HTTP ${reply.status} ${await reply.text()}`)
  return (await reply.json()) as Record<string, unknown>
}
