import { WarrenError } from '../../errors.ts'

const ofThisMachine = ['localhost', '127.0.0.1', '[::1]']

/**
 * Web pages say where they are from. One from elsewhere that had its name resolved to this machine would be let in by a browser
 * as if it were ours. Throws `forbidden`.
 */
export function checkOrigin(
  origin: string | undefined,
  { corsOrigins, domain }: { corsOrigins: readonly string[]; domain: string | undefined },
): void {
  if (origin === undefined || corsOrigins.includes('*') || corsOrigins.includes(origin)) return
  const host = URL.canParse(origin) ? new URL(origin).hostname : undefined
  if (host !== undefined && (ofThisMachine.includes(host) || host === domain)) return
  throw new WarrenError('forbidden', `web pages of ${JSON.stringify(origin.slice(0, 200))} may not call this server`, {
    hint: 'The operator lets them in with WARREN_CORS_ORIGINS.',
  })
}
