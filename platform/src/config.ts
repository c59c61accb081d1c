import { availableParallelism, homedir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { WarrenError } from './errors.ts'

/** What an operator can set. Read once, by main.ts; every other part is handed what it needs. */
export interface Config {
  /** Folder of everything that lasts: database, keys, sandboxes' state. Absolute. */
  home: string
  host: string
  port: number
  /** Below which the API and the ports of sandboxes have names, and the port that is written behind it where it is another. */
  domain: { name: string; port: number | undefined } | undefined
  /** Files of the certificate for the domain and of its key. */
  tls: { certificate: string; key: string } | undefined
  /** Origins of web pages that may call the API. */
  corsOrigins: string[]
  /** The least isolation a sandbox gets when its request names none. */
  isolation: 'none' | 'namespaces' | 'container' | 'userspace-kernel' | 'microvm'
  /** Whether a request may name the driver "unconfined", which isolates nothing. */
  allowUnconfined: boolean
  egress: {
    /** Whether a sandbox whose request says nothing reaches the internet. */
    default: 'deny' | 'allow'
    open: string[]
    dns: string[]
    uplink: string | undefined
  }
  /** Where images of templates may come from. */
  registry: { open: string[]; insecure: string[]; maxImageMb: number }
  /** Kernel of microVMs. */
  kernel: string | undefined
  /** When the platform builds its own templates: by itself, or once somebody asks for one. */
  templates: 'background' | 'on-demand'
  poolSize: number
  diskWriteMbps: number
  parallelCreates: number
  maxSandboxes: number
  databaseUrl: string | undefined
  /** How long what is over is remembered. */
  historyHours: number
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** What a sandbox gets where its request does not say. */
  defaultLimits: { cpuCores: number; memoryMb: number; diskMb: number; maxProcesses: number; maxOpenFiles: number }
}

interface Setting<T> {
  /** Path into Config, with a dot for the nested ones. */
  name: string
  env: string
  /** Shown in the documentation, and what is used when the variable is absent or empty. */
  default: T
  meaning: string
  parse: (text: string) => T
}

/** The whole configuration of the platform, one row per setting. */
export const settings = {
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
  domain: setting<Config['domain']>({
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
      'Certificate for the domain and *.<domain>, with those it depends on, as a PEM file; taken anew when it changes. Default: one of an authority of our own, in WARREN_HOME.',
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
  isolation: setting<Config['isolation']>({
    name: 'isolation',
    env: 'WARREN_ISOLATION',
    default: 'namespaces',
    meaning:
      'Least isolation of a sandbox whose request names none: none, namespaces, container, userspace-kernel, microvm.',
    parse: oneOf('none', 'namespaces', 'container', 'userspace-kernel', 'microvm'),
  }),
  allowUnconfined: setting({
    name: 'allowUnconfined',
    env: 'WARREN_ALLOW_UNCONFINED',
    default: false,
    meaning:
      'Whether a request may name the driver "unconfined", which runs code as this user with no isolation: yes, no.',
    parse: (text) => oneOf('yes', 'no')(text) === 'yes',
  }),
  egress: setting<Config['egress']['default']>({
    name: 'egress.default',
    env: 'WARREN_EGRESS',
    default: 'deny',
    meaning: 'What a sandbox whose request does not say may reach: deny (nothing) or allow (the internet).',
    parse: oneOf('deny', 'allow'),
  }),
  egressOpen: setting<string[]>({
    name: 'egress.open',
    env: 'WARREN_EGRESS_OPEN',
    default: [],
    meaning:
      'Private ranges that sandboxes may be allowed to reach, such as 10.1.2.0/24, with commas between. Default: none.',
    parse: list,
  }),
  egressDns: setting<string[]>({
    name: 'egress.dns',
    env: 'WARREN_EGRESS_DNS',
    default: [],
    meaning: 'DNS servers that are asked for sandboxes, with commas between. Default: those of the host.',
    parse: list,
  }),
  egressUplink: setting<string | undefined>({
    name: 'egress.uplink',
    env: 'WARREN_EGRESS_UPLINK',
    default: undefined,
    meaning:
      'Network namespace, by name or path, from which the connections of sandboxes go out, such as one of a VPN. Default: that of the platform.',
    parse: (text) => (text.includes('/') ? resolve(text) : `/run/netns/${text}`),
  }),
  registryOpen: setting<string[]>({
    name: 'registry.open',
    env: 'WARREN_REGISTRY_OPEN',
    default: [],
    meaning:
      'Private ranges and loopback addresses where registries of images may be, such as 10.1.2.0/24, with commas between. Default: none.',
    parse: list,
  }),
  registryInsecure: setting<string[]>({
    name: 'registry.insecure',
    env: 'WARREN_REGISTRY_INSECURE',
    default: [],
    meaning:
      'Registries that are asked over plain HTTP, as host or host:port, with commas between. Those on loopback are anyway.',
    parse: list,
  }),
  maxImageMb: setting({
    name: 'registry.maxImageMb',
    env: 'WARREN_MAX_IMAGE_MB',
    default: 10_240,
    meaning: 'How large a layer of an image may be when unpacked, and an image as it is pulled, in MiB.',
    parse: number({ least: 1, most: 16_777_216, whole: true }),
  }),
  templates: setting<'background' | 'on-demand'>({
    name: 'templates',
    env: 'WARREN_TEMPLATES',
    default: 'background',
    meaning:
      'When the templates debian and code-interpreter are built: background (after the start, by and by) or on-demand (when somebody asks for one).',
    parse: oneOf('background', 'on-demand'),
  }),
  kernel: setting<string | undefined>({
    name: 'kernel',
    env: 'WARREN_KERNEL',
    default: undefined,
    meaning:
      'Linux kernel of microVMs, a file vmlinuz-<version>; its modules are looked for in ../lib/modules and /lib/modules. Default: the one that npm run fetch-kernel fetched.',
    parse: (text) => resolve(text),
  }),
  poolSize: setting({
    name: 'poolSize',
    env: 'WARREN_POOL_SIZE',
    default: Math.min(64, Math.max(4, Math.floor(totalmem() / 2 ** 28))),
    meaning:
      'Sandboxes of the template base that are kept ready, each less than 1 MiB, or a twentieth as many of gVisor; 0 turns the warm pool off. Default: one for each 256 MiB of memory, at most 64.',
    parse: number({ least: 0, most: 1000, whole: true }),
  }),
  parallelCreates: setting({
    name: 'parallelCreates',
    env: 'WARREN_PARALLEL_CREATES',
    default: 2 * availableParallelism(),
    meaning: 'How many sandboxes are started at the same moment; further ones wait. Default: twice the cores.',
    parse: number({ least: 1, most: 1000, whole: true }),
  }),
  maxSandboxes: setting({
    name: 'maxSandboxes',
    env: 'WARREN_MAX_SANDBOXES',
    default: 1000,
    meaning: 'How many sandboxes may live at once.',
    parse: number({ least: 1, most: 100_000, whole: true }),
  }),
  diskWriteMbps: setting({
    name: 'diskWriteMbps',
    env: 'WARREN_DISK_WRITE_MBPS',
    default: 400,
    meaning:
      'The most that one sandbox writes to its disk, megabytes in a second, so that its neighbours do not feel it. 0: no limit.',
    parse: number({ least: 0, most: 100_000, whole: true }),
  }),
  databaseUrl: setting<string | undefined>({
    name: 'databaseUrl',
    env: 'DATABASE_URL',
    default: undefined,
    meaning:
      'PostgreSQL 15 or later to use, as postgres://user:password@host/database. Default: one of our own, in WARREN_HOME.',
    parse: (text) => text,
  }),
  historyHours: setting({
    name: 'historyHours',
    env: 'WARREN_HISTORY_HOURS',
    default: 168,
    meaning: 'Records of ended sandboxes and events are deleted after so many hours; fractions are allowed.',
    parse: number({ least: 0.0001, most: 876_000 }),
  }),
  logLevel: setting<Config['logLevel']>({
    name: 'logLevel',
    env: 'WARREN_LOG_LEVEL',
    default: 'info',
    meaning: 'Least weight of what is logged: trace, debug, info, warn, error, fatal, silent.',
    parse: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  }),
  cpuCores: setting({
    name: 'defaultLimits.cpuCores',
    env: 'WARREN_DEFAULT_CPU',
    default: 1,
    meaning: 'Cores of a sandbox whose request does not say; fractions are allowed.',
    parse: number({ least: 0.05, most: 1024 }),
  }),
  memoryMb: setting({
    name: 'defaultLimits.memoryMb',
    env: 'WARREN_DEFAULT_MEMORY_MB',
    default: 512,
    meaning: 'Memory of such a sandbox, in MiB.',
    parse: number({ least: 16, most: 4_194_304, whole: true }),
  }),
  diskMb: setting({
    name: 'defaultLimits.diskMb',
    env: 'WARREN_DEFAULT_DISK_MB',
    default: 1024,
    meaning: 'Writable disk of such a sandbox, in MiB.',
    parse: number({ least: 16, most: 16_777_216, whole: true }),
  }),
  maxProcesses: setting({
    name: 'defaultLimits.maxProcesses',
    env: 'WARREN_DEFAULT_PROCESSES',
    default: 256,
    meaning: 'Processes and threads of such a sandbox.',
    parse: number({ least: 8, most: 1_000_000, whole: true }),
  }),
  maxOpenFiles: setting({
    name: 'defaultLimits.maxOpenFiles',
    env: 'WARREN_DEFAULT_OPEN_FILES',
    default: 4096,
    meaning: 'Files that one process of such a sandbox may hold open.',
    parse: number({ least: 64, most: 1_048_576, whole: true }),
  }),
}

/** Reads the configuration out of `env`. Throws `invalid_request` naming the variable, the rule and the value. */
export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  const read = <T>(setting: Setting<T>) => readSetting(setting, env)
  return {
    home: read(settings.home),
    host: read(settings.host),
    port: read(settings.port),
    domain: read(settings.domain),
    tls: tlsFiles(read(settings.domain), read(settings.tlsCertificate), read(settings.tlsKey)),
    corsOrigins: read(settings.corsOrigins),
    isolation: read(settings.isolation),
    allowUnconfined: read(settings.allowUnconfined),
    egress: {
      default: read(settings.egress),
      open: read(settings.egressOpen),
      dns: read(settings.egressDns),
      uplink: read(settings.egressUplink),
    },
    registry: {
      open: read(settings.registryOpen),
      insecure: read(settings.registryInsecure),
      maxImageMb: read(settings.maxImageMb),
    },
    templates: read(settings.templates),
    kernel: read(settings.kernel),
    poolSize: read(settings.poolSize),
    parallelCreates: read(settings.parallelCreates),
    maxSandboxes: read(settings.maxSandboxes),
    diskWriteMbps: read(settings.diskWriteMbps),
    databaseUrl: read(settings.databaseUrl),
    historyHours: read(settings.historyHours),
    logLevel: read(settings.logLevel),
    defaultLimits: {
      cpuCores: read(settings.cpuCores),
      memoryMb: read(settings.memoryMb),
      diskMb: read(settings.diskMb),
      maxProcesses: read(settings.maxProcesses),
      maxOpenFiles: read(settings.maxOpenFiles),
    },
  }
}

function setting<T>(row: Setting<T>): Setting<T> {
  return row
}

function readSetting<T>(setting: Setting<T>, env: Record<string, string | undefined>): T {
  const text = env[setting.env]?.trim()
  if (!text) return setting.default
  try {
    return setting.parse(text)
  } catch (error) {
    throw new WarrenError('invalid_request', `${setting.env} must be ${(error as Error).message}, not "${text}"`)
  }
}

function tlsFiles(domain: Config['domain'], certificate: string | undefined, key: string | undefined): Config['tls'] {
  if (certificate && key && domain) return { certificate, key }
  if (!certificate && !key) return undefined
  const { tlsCertificate, tlsKey, domain: domainRow } = settings
  throw new WarrenError('invalid_request', `${tlsCertificate.env}, ${tlsKey.env} and ${domainRow.env} go together`)
}

function number(range: { least: number; most: number; whole?: boolean }): (text: string) => number {
  return (text) => {
    const value = Number(text)
    const ok = value >= range.least && value <= range.most && (!range.whole || Number.isInteger(value))
    if (!ok) throw new RangeError(`a ${range.whole ? 'whole ' : ''}number from ${range.least} to ${range.most}`)
    return value
  }
}

function oneOf<T extends string>(...values: T[]): (text: string) => T {
  return (text) => {
    const value = values.find((candidate) => candidate === text)
    if (value === undefined) throw new RangeError(`one of ${values.join(', ')}`)
    return value
  }
}

function domain(text: string): { name: string; port: number | undefined } {
  const [, name, port] =
    /^((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]+)(?::([1-9]\d{0,4}))?$/.exec(text.toLowerCase()) ?? []
  // Clients take no certificate for *.localhost: a star needs two labels behind it.
  if (!name || name.length > 180 || Number(port ?? 1) > 65_535 || /^[\d.]+$/.test(name))
    throw new RangeError('a domain of two labels or more, such as box.example.com or box.localhost:7070')
  return { name, port: port === undefined ? undefined : Number(port) }
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
}

function origins(text: string): string[] {
  const listed = text.split(',').map((origin) => origin.trim())
  for (const origin of listed) {
    if (origin !== '*' && !(URL.canParse(origin) && new URL(origin).origin === origin))
      throw new Error(`must be origins such as https://app.example.com, not "${origin}"`)
  }
  return listed
}
