import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { buildServer } from './server.ts'

/** Writes spec/openapi.json from the routes; with --check it only says whether the file is current. */
const file = fileURLToPath(new URL('../../../spec/openapi.json', import.meta.url))
const text = `${JSON.stringify(await document(), null, 2)}\n`

if (!process.argv.includes('--check')) {
  await writeFile(file, text)
} else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
  console.error('spec/openapi.json is not what the routes say: run node platform/src/http/write-openapi.ts')
  process.exitCode = 1
}

/** The routes are only described here, never called: what they would call is not needed. */
async function document(): Promise<object> {
  const app = await buildServer({
    config: {
      host: '127.0.0.1',
      node: { role: 'platform', address: undefined },
      port: 7070,
      corsOrigins: [],
      domain: undefined,
      rates: { keyPerMinute: 0, organisationPerMinute: 0, sandboxPerMinute: 0, attemptsPerMinute: 0 },
      trustedProxies: [],
      plainHttp: 'allow',
      metrics: 'off',
      defaultLimits: {} as never,
      egress: {} as never,
    },
    engine: { drivers: uncalled },
    sandboxes: {} as never,
    templates: {} as never,
    usage: uncalled,
    events: {} as never,
    webhooks: {} as never,
    functions: {} as never,
    metrics: {} as never,
    volumes: {} as never,
    buckets: {} as never,
    secrets: {} as never,
    identities: {} as never,
    accounts: {} as never,
    db: {} as never,
    audit: {} as never,
    quotas: {} as never,
    limiter: {} as never,
    billing: {} as never,
    agentRuns: {} as never,
    nodes: {} as never,
    tokenSeed: '',
    isDatabaseUp: uncalled,
    logger: pino({ level: 'silent' }),
  })
  await app.ready()
  const document = app.swagger()
  await app.close()
  return document
}

async function uncalled(): Promise<never> {
  throw new Error('nothing is called while the document is written')
}
