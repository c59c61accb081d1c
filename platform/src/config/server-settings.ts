import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { domain, number, oneOf, origins, setting } from './setting.ts'

/** What an operator can set about the door, the database and what is told. */
export const serverSettings = {
  home: setting({
    name: 'home',
    env: 'WARREN_HOME',
    default: process.getuid?.() === 0 ? '/var/lib/warren' : join(homedir(), '.warren'),
    meaning: 'Folder of everything that lasts: database, keys, state of the sandboxes.',
    parse: (text) => resolve(text),
  }),
  host: setting({
    name: 'host',
    env: 'WARREN_HOST',
    default: '127.0.0.1',
    meaning: 'Address to listen on. Anything but loopback makes the platform reachable from outside.',
    parse: (text) => text,
  }),
  port: setting({
    name: 'port',
    env: 'WARREN_PORT',
    default: 7070,
    meaning: 'Port to listen on; 0 takes a free one.',
    parse: number({ least: 0, most: 65535, whole: true }),
  }),
  domain: setting<{ name: string; port: number | undefined } | undefined>({
    name: 'domain',
    env: 'WARREN_DOMAIN',
    default: undefined,
    meaning:
      'Domain, with a port behind a colon where clients reach another than WARREN_PORT, below which names lead here: api.<domain> and <port>-<id>.<domain>. TLS is then spoken too, on the same port.',
    parse: domain,
  }),
  tlsCertificate: setting<string | undefined>({
    name: 'tls.certificate',
    env: 'WARREN_TLS_CERT',
    default: undefined,
    meaning:
      'Certificate to show, with those it depends on, as a PEM file; taken anew when it changes. With it TLS is spoken too, on the same port; a domain needs one for it and *.<domain>. Default: with a domain one of an authority of our own, in WARREN_HOME, else none.',
    parse: (text) => resolve(text),
  }),
  tlsKey: setting<string | undefined>({
    name: 'tls.key',
    env: 'WARREN_TLS_KEY',
    default: undefined,
    meaning: 'Key of that certificate, as a PEM file.',
    parse: (text) => resolve(text),
  }),
  corsOrigins: setting<string[]>({
    name: 'corsOrigins',
    env: 'WARREN_CORS_ORIGINS',
    default: [],
    meaning:
      'Origins whose web pages may call the API, such as https://app.example.com, with commas between; * is any.',
    parse: origins,
  }),
  databaseUrl: setting<string | undefined>({
    name: 'databaseUrl',
    env: 'DATABASE_URL',
    default: undefined,
    meaning:
      'PostgreSQL 15 or later to use, as postgres://user:password@host/database. Default: one of our own, in WARREN_HOME.',
    parse: (text) => text,
  }),
  node: setting<'platform' | 'worker'>({
    name: 'node.role',
    env: 'WARREN_NODE',
    default: 'platform',
    meaning:
      'As "worker" it runs sandboxes for the platform that has the same DATABASE_URL and the same keys, and nothing else; as "platform" it does everything.',
    parse: oneOf('platform', 'worker'),
  }),
  nodeAddress: setting<string | undefined>({
    name: 'node.address',
    env: 'WARREN_NODE_ADDRESS',
    default: undefined,
    meaning:
      'Where the platform reaches this worker, such as http://10.0.0.2:7070. Default: where it listens, which another machine reaches only with WARREN_HOST set.',
    parse: nodeAddress,
  }),
  historyHours: setting({
    name: 'historyHours',
    env: 'WARREN_HISTORY_HOURS',
    default: 168,
    meaning:
      'Records of ended sandboxes, runs of agents, their snapshots and events are deleted after so many hours; fractions are allowed.',
    parse: number({ least: 0.0001, most: 876_000 }),
  }),
  logLevel: setting<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'>({
    name: 'logLevel',
    env: 'WARREN_LOG_LEVEL',
    default: 'info',
    meaning: 'Least weight of what is logged: trace, debug, info, warn, error, fatal, silent.',
    parse: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  }),
}

function nodeAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.origin !== text.replace(/\/$/, ''))
    throw new RangeError('the beginning of an address, such as http://10.0.0.2:7070')
  return url.origin
}
