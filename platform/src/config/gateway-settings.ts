import { isIP } from 'node:net'
import { list, number, oneOf, setting } from './setting.ts'

function quota(name: string, env: string, meaning: string) {
  return setting<number | undefined>({
    name: `quotas.${name}`,
    env,
    default: undefined,
    meaning: `${meaning} Default: no limit.`,
    parse: number({ least: 0, most: 1_000_000_000_000 }),
  })
}

const perMinute = number({ least: 0, most: 1_000_000_000, whole: true })

/** What an operator can set about who is let in how often. */
export const gatewaySettings = {
  drainSeconds: setting({
    name: 'drainSeconds',
    env: 'WARREN_DRAIN_SECONDS',
    default: 10,
    meaning: 'How long requests that run may take when the platform is told to stop. What comes in meanwhile is a 503.',
    parse: number({ least: 0, most: 3600 }),
  }),
  trustedProxies: setting<string[]>({
    name: 'trustedProxies',
    env: 'WARREN_TRUSTED_PROXIES',
    default: [],
    meaning:
      'Ranges of the proxies in front, such as 10.1.2.0/24, with commas between: who they say in X-Forwarded-For is taken for the client. Default: none, and that header says nothing.',
    parse: ranges,
  }),
  plainHttp: setting<'allow' | 'redirect' | 'refuse'>({
    name: 'plainHttp',
    env: 'WARREN_PLAIN_HTTP',
    default: 'allow',
    meaning:
      'What is done with requests that come over the network without TLS: allow, redirect (browsers are led to https, whoever shows a key is refused) or refuse. From this machine they are always taken, and /health from anywhere. Behind a proxy that ends TLS, set WARREN_TRUSTED_PROXIES; what it says in X-Forwarded-Proto counts.',
    parse: oneOf('allow', 'redirect', 'refuse'),
  }),
  redisUrl: setting<string | undefined>({
    name: 'redisUrl',
    env: 'REDIS_URL',
    default: undefined,
    meaning:
      'Redis 7 in which several nodes count requests together, as redis://user:password@host:port. Default: none, each node counts for itself.',
    parse: redisUrl,
  }),
  keyPerMinute: setting({
    name: 'rates.keyPerMinute',
    env: 'WARREN_RATE_KEY',
    default: 60_000,
    meaning: 'Requests a minute with one key, all of which may come at once. 0: no limit.',
    parse: perMinute,
  }),
  organisationPerMinute: setting({
    name: 'rates.organisationPerMinute',
    env: 'WARREN_RATE_ORGANISATION',
    default: 120_000,
    meaning: 'Requests a minute with all keys of one organisation. 0: no limit.',
    parse: perMinute,
  }),
  sandboxPerMinute: setting({
    name: 'rates.sandboxPerMinute',
    env: 'WARREN_RATE_SANDBOX',
    default: 120_000,
    meaning: 'Requests a minute for the inside and the ports of one sandbox. 0: no limit.',
    parse: perMinute,
  }),
  quotaCpu: quota(
    'cpuCores',
    'WARREN_QUOTA_CPU',
    'Cores of the sandboxes, instances of functions and builds of an organisation together.',
  ),
  quotaMemory: quota('memoryMb', 'WARREN_QUOTA_MEMORY_MB', 'Memory of the same together, in MiB.'),
  quotaStorage: quota(
    'storageMb',
    'WARREN_QUOTA_STORAGE_MB',
    'Disks of the sandboxes of an organisation, also of paused ones, its volumes and its snapshots together, in MiB.',
  ),
  quotaEgress: quota(
    'egressMbPerDay',
    'WARREN_QUOTA_EGRESS_MB',
    'What the sandboxes and functions of an organisation send to the network in a day of UTC, in MiB.',
  ),
  quotaFunctions: quota('functions', 'WARREN_QUOTA_FUNCTIONS', 'Calls of functions of an organisation at once.'),
  quotaBuilds: quota(
    'builds',
    'WARREN_QUOTA_BUILDS',
    'Builds of templates of an organisation at once; the others wait.',
  ),
  quotaAgents: quota(
    'agentBudget',
    'WARREN_QUOTA_AGENTS',
    'What agents of an organisation may have reserved at once, in millionths of a dollar.',
  ),
  attemptsPerMinute: setting({
    name: 'rates.attemptsPerMinute',
    env: 'WARREN_RATE_ATTEMPTS',
    default: 600,
    meaning:
      'Requests a minute without a good key from one address, or from one /64 of IPv6; keys that were good before are let in all the same. 0: no limit.',
    parse: perMinute,
  }),
}

function redisUrl(text: string): string {
  if (URL.canParse(text) && ['redis:', 'rediss:'].includes(new URL(text).protocol)) return text
  throw new RangeError('an address such as redis://host:6379 or rediss://host:6379')
}

function ranges(text: string): string[] {
  const listed = list(text)
  for (const range of listed) {
    const [address = '', bits, ...rest] = range.split('/')
    const most = isIP(address) === 6 ? 128 : 32
    const isRange = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most)
    if (isIP(address) === 0 || !isRange || rest.length > 0)
      throw new RangeError('addresses or ranges such as 10.1.2.0/24, with commas between')
  }
  return listed
}
