import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { settings } from '../src/config.ts'

const docs = join(import.meta.dirname, '../../docs')
const rows = Object.values(settings)

/** Their defaults depend on the machine; the documents describe them in words. */
const describedDefaults = [
  'WARREN_HOME',
  'WARREN_KERNEL',
  'WARREN_FUNCTION_DRIVER',
  'WARREN_DOMAIN',
  'WARREN_TLS_CERT',
  'WARREN_TLS_KEY',
  'WARREN_CORS_ORIGINS',
  'WARREN_PUBLIC_URL',
  'WARREN_OIDC_ISSUER',
  'WARREN_OIDC_CLIENT_ID',
  'WARREN_OIDC_CLIENT_SECRET',
  'WARREN_OIDC_DOMAINS',
  'WARREN_POOL_SIZE',
  'WARREN_PARALLEL_CREATES',
  'DATABASE_URL',
  'WARREN_NODE_ADDRESS',
  'REDIS_URL',
  'NATS_URL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'WARREN_LOKI_URL',
  'WARREN_LOKI_HEADERS',
  'WARREN_QUOTA_CPU',
  'WARREN_QUOTA_MEMORY_MB',
  'WARREN_QUOTA_STORAGE_MB',
  'WARREN_QUOTA_EGRESS_MB',
  'WARREN_QUOTA_FUNCTIONS',
  'WARREN_QUOTA_AGENTS',
  'WARREN_TRUSTED_PROXIES',
  'WARREN_EGRESS_OPEN',
  'WARREN_EGRESS_DNS',
  'WARREN_EGRESS_CA',
  'WARREN_EGRESS_UPLINK',
  'WARREN_REGISTRY_OPEN',
  'WARREN_REGISTRY_INSECURE',
  'WARREN_WEBHOOK_OPEN',
  'WARREN_MCP_OPEN',
  'WARREN_S3_URL',
  'WARREN_S3_ACCESS_KEY',
  'WARREN_S3_SECRET_KEY',
  'WARREN_STRIPE_KEY',
  'WARREN_STRIPE_WEBHOOK_SECRET',
  'WARREN_STRIPE_URL',
  'WARREN_MODEL',
  'WARREN_MODEL_SMALL',
  'WARREN_MODEL_VENDOR',
  'WARREN_MODEL_URL',
  'WARREN_MODEL_KEYS',
  'WARREN_MODEL_PRICES',
]

for (const name of ['configuration.md', 'configuration.zh-CN.md']) {
  test(`${name} has a row for every setting of the platform, and for nothing else`, () => {
    assert.deepEqual([...documented(name).keys()].sort(), rows.map((row) => row.env).sort())
  })

  test(`${name} shows the defaults as they are`, () => {
    for (const row of rows) {
      if (describedDefaults.includes(row.env)) continue
      const shown = typeof row.default === 'boolean' ? (row.default ? 'yes' : 'no') : String(row.default)
      assert.equal(documented(name).get(row.env)?.default, `\`${shown}\``, row.env)
    }
  })
}

test('configuration.md explains each setting in the words of config.ts', () => {
  for (const row of rows) assert.equal(documented('configuration.md').get(row.env)?.meaning, row.meaning)
})

/** The rows of the table above a document's second heading, by variable. */
function documented(name: string): Map<string, { default: string; meaning: string }> {
  const [section = ''] = readFileSync(join(docs, name), 'utf8').split(/^## /m)
  const found = section.matchAll(/^\| `([A-Z0-9_]+)` \| (.+?) \| (.+?) \|$/gm)
  return new Map([...found].map(([, env, standard, meaning]) => [env!, { default: standard!, meaning: meaning! }]))
}
