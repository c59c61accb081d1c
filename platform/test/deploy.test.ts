import assert from 'node:assert/strict'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { readConfig, settings } from '../src/config.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const yaml = (path: string) => parse(readFileSync(join(deploy, path), 'utf8'))
const compose = yaml('docker-compose.yml')
const services: [string, Record<string, never>][] = Object.entries(compose.services)
// Of a volume `source:target:mode`.
const sources = services.flatMap(([, { volumes = [] }]) => (volumes as string[]).map((volume) => volume.split(':')[0]!))

test('what the services mount is there: files of deploy/, and volumes that are declared', () => {
  for (const source of sources) {
    if (source.startsWith('.')) assert.ok(existsSync(join(deploy, source)), source)
    else assert.ok(source in compose.volumes, source)
  }
  const unused = Object.keys(compose.volumes).filter((name) => !sources.includes(name))
  assert.deepEqual(unused, [])
})

test('every variable that the platform is given is a setting of it', () => {
  const known = Object.values(settings).map(({ env }) => env)
  const image = readFileSync(join(deploy, 'Dockerfile'), 'utf8').match(/\bWARREN_\w+(?==)/g) ?? []
  const given = [...Object.keys(compose.services.warren.environment), ...image]
  assert.ok(given.length >= 5)
  for (const name of given) assert.ok((known as string[]).includes(name), name)
})

test('the platform takes its environment as it stands, and what it names is a service', () => {
  const given = Object.entries<string>(compose.services.warren.environment)
  const filled = given.map(([name, value]) => [name, String(value).replace(/\$\{\w+:\?[^}]*\}/g, 'secret')])
  const config = readConfig(Object.fromEntries(filled))
  const urls = [config.databaseUrl, config.redisUrl, config.natsUrl, config.buckets.s3?.url]
  for (const url of urls) assert.ok(new URL(url!).hostname in compose.services, url)
})

test('services name only services that there are', () => {
  const names = Object.keys(compose.services)
  for (const [name, { depends_on = [], network_mode = '' }] of services) {
    const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
    if (network_mode) needed.push((network_mode as string).replace('service:', ''))
    for (const other of needed) assert.ok(names.includes(other), `${name} needs ${other}`)
  }
  for (const name of Object.keys(yaml('docker-compose.privileged.yml').services)) assert.ok(names.includes(name), name)
  for (const { url } of yaml('grafana/datasources.yml').datasources)
    assert.ok(names.includes(new URL(url).hostname), url)
})

test('nothing is published beyond this machine, and no password is written down', () => {
  for (const [name, { ports = [] }] of services)
    for (const port of ports as string[]) assert.match(port, /^127\.0\.0\.1:/, name)
  const text = readFileSync(join(deploy, 'docker-compose.yml'), 'utf8')
  for (const [, value] of text.matchAll(/PASSWORD: (.*)/g)) assert.match(value!, /^\$\{\w+:\?/)
})

test('the image starts a script that can be executed, and the scrape is as outside of containers', () => {
  const [, script] = /ENTRYPOINT \["\/opt\/warren\/(.*)"\]/.exec(readFileSync(join(deploy, 'Dockerfile'), 'utf8')) ?? []
  accessSync(join(deploy, '..', script!), constants.X_OK)
  const [plain, contained] = [yaml('prometheus/prometheus.yml'), yaml('prometheus/compose.yml')]
  delete plain.scrape_configs[0].authorization
  assert.deepEqual(contained, plain)
})
