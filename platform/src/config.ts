import { abuseSettings } from './config/abuse-settings.ts'
import { accountsSettings } from './config/accounts-settings.ts'
import { agentSettings } from './config/agent-settings.ts'
import { billingSettings } from './config/billing-settings.ts'
import { bucketSettings } from './config/bucket-settings.ts'
import { eventSettings } from './config/event-settings.ts'
import { functionSettings } from './config/function-settings.ts'
import { gatewaySettings } from './config/gateway-settings.ts'
import { networkSettings } from './config/network-settings.ts'
import type { Role } from './config/role-names.ts'
import { sandboxSettings } from './config/sandbox-settings.ts'
import { serverSettings } from './config/server-settings.ts'
import { readSetting, type Setting } from './config/setting.ts'
import { WarrenError } from './errors.ts'

/** What an operator can set. Read once, by main.ts; every other part is handed what it needs. */
export interface Config {
  /** Folder of everything that lasts: database, keys, sandboxes' state. Absolute. */
  home: string
  host: string
  port: number
  /** Below which the API and the ports of sandboxes have names, and the port that is written behind it where it is another. */
  domain: { name: string; port: number | undefined } | undefined
  /** Files of the certificate to show and of its key. */
  tls: { certificate: string; key: string } | undefined
  /** Whether it is the platform, or a worker that runs sandboxes for it; and where the platform reaches that. */
  node: { role: 'platform' | 'worker'; address: string | undefined }
  drainSeconds: number
  /** Ranges of the proxies in front that are believed. */
  trustedProxies: string[]
  /** What is done with requests that come over the network without TLS. */
  plainHttp: 'allow' | 'redirect' | 'refuse'
  /** What a sandbox looks like that is abused, and what is done about it; a limit of 0 is not looked at. */
  abuse: {
    rule: 'observe' | 'throttle' | 'pause'
    cpuMinutes: number
    refusedPerMinute: number
    egressMbPerMinute: number
  }
  /** What an organisation may have for which nothing else was set; what is undefined is without limit. */
  quotas: {
    cpuCores: number | undefined
    memoryMb: number | undefined
    storageMb: number | undefined
    egressMbPerDay: number | undefined
    functions: number | undefined
    builds: number | undefined
    agentBudget: number | undefined
  }
  /** Where nodes that share their limits count. */
  redisUrl: string | undefined
  /** Where events are published, and nodes wake each other. */
  natsUrl: string | undefined
  /** Where traces are sent, and what goes along. */
  otlp: { endpoint: string | undefined; headers: Record<string, string>; contents: boolean }
  /** Where lines of the log are sent, and what goes along. */
  loki: { url: string | undefined; headers: Record<string, string> }
  /** Requests a minute; 0 is no limit. */
  rates: {
    keyPerMinute: number
    organisationPerMinute: number
    sandboxPerMinute: number
    attemptsPerMinute: number
  }
  /** Address under which people reach the platform. */
  publicUrl: string | undefined
  /** Provider of single sign-on, whose people are taken, and what they become. */
  oidc:
    | { issuer: string; clientId: string; clientSecret: string | undefined; domains: string[]; role: Role }
    | undefined
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
    authorities: string | undefined
    uplink: string | undefined
  }
  /** Where images of templates may come from. */
  registry: { open: string[]; insecure: string[]; maxImageMb: number }
  /** Who may read the figures for Prometheus. */
  metrics: 'key' | 'loopback' | 'off'
  buckets: {
    maxObjectMb: number
    /** Where the content of objects is, if not in files. */
    s3: { url: string; region: string; accessKey: string; secretKey: string } | undefined
  }
  /** Private ranges where webhooks may be. */
  webhooks: { open: string[] }
  /** Private ranges where servers of tools for agents may be. */
  agents: { mcpOpen: string[] }
  billing: {
    currency: string
    sandboxBank: boolean
    stripe: { key: string | undefined; webhookSecret: string | undefined; url: string | undefined }
  }
  /** Kernel of microVMs. */
  kernel: string | undefined
  /** When the platform builds its own templates: by itself, or once somebody asks for one. */
  templates: 'background' | 'on-demand'
  /** Whether what templates start is kept with the memory it had at the build. */
  templateStarts: 'saved' | 'anew'
  /** How functions are run. */
  functions: { pool: number; instances: number; idleSeconds: number; driver: string | undefined; forecasts: boolean }
  poolSize: number
  diskWriteMbps: number
  parallelCreates: number
  maxSandboxes: number
  databaseUrl: string | undefined
  /** How long what is over is remembered. */
  historyHours: number
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** What agents think with. */
  models: {
    model: string | undefined
    smallModel: string | undefined
    api: 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini'
    vendor: 'openai' | 'deepseek' | 'qwen' | 'kimi' | 'vllm' | 'ollama' | 'openrouter' | 'compatible' | undefined
    url: string | undefined
    keys: string[]
    prices: { input: number; output: number; cachedInput?: number } | undefined
    /** What is asked where the others cannot answer. */
    fallback: (Endpoint & { model: string }) | undefined
    /** What makes vectors of texts. */
    embedding: { model: string; baseUrl: string; keys: string[]; dimensions: number | undefined } | undefined
  }
  /** What a sandbox gets where its request does not say. */
  defaultLimits: { cpuCores: number; memoryMb: number; diskMb: number; maxProcesses: number; maxOpenFiles: number }
}

/** The whole configuration of the platform, one row per setting. */
export const settings = {
  ...serverSettings,
  ...accountsSettings,
  ...gatewaySettings,
  ...abuseSettings,
  ...sandboxSettings,
  ...networkSettings,
  ...eventSettings,
  ...bucketSettings,
  ...functionSettings,
  ...billingSettings,
  ...agentSettings,
}

/** Reads the configuration out of `env`. Throws `invalid_request` naming the variable, the rule and the value. */
export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  const read = <T>(setting: Setting<T>) => readSetting(setting, env)
  return {
    home: read(settings.home),
    host: read(settings.host),
    port: read(settings.port),
    domain: read(settings.domain),
    tls: tlsFiles(read(settings.tlsCertificate), read(settings.tlsKey)),
    node: { role: read(settings.node), address: read(settings.nodeAddress) },
    drainSeconds: read(settings.drainSeconds),
    trustedProxies: read(settings.trustedProxies),
    plainHttp: read(settings.plainHttp),
    abuse: {
      rule: read(settings.abuseRule),
      cpuMinutes: read(settings.abuseCpuMinutes),
      refusedPerMinute: read(settings.abuseRefused),
      egressMbPerMinute: read(settings.abuseEgress),
    },
    quotas: {
      cpuCores: read(settings.quotaCpu),
      memoryMb: read(settings.quotaMemory),
      storageMb: read(settings.quotaStorage),
      egressMbPerDay: read(settings.quotaEgress),
      functions: read(settings.quotaFunctions),
      builds: read(settings.quotaBuilds),
      agentBudget: read(settings.quotaAgents),
    },
    redisUrl: read(settings.redisUrl),
    natsUrl: read(settings.natsUrl),
    otlp: {
      endpoint: read(settings.otlpEndpoint),
      headers: read(settings.otlpHeaders) ?? {},
      contents: read(settings.otlpContents),
    },
    loki: { url: read(settings.lokiUrl), headers: read(settings.lokiHeaders) ?? {} },
    rates: {
      keyPerMinute: read(settings.keyPerMinute),
      organisationPerMinute: read(settings.organisationPerMinute),
      sandboxPerMinute: read(settings.sandboxPerMinute),
      attemptsPerMinute: read(settings.attemptsPerMinute),
    },
    publicUrl: read(settings.publicUrl),
    oidc: provider(read(settings.oidcIssuer), read(settings.oidcClientId), {
      clientSecret: read(settings.oidcClientSecret),
      domains: read(settings.oidcDomains),
      role: read(settings.oidcRole),
    }),
    corsOrigins: read(settings.corsOrigins),
    isolation: read(settings.isolation),
    allowUnconfined: read(settings.allowUnconfined),
    egress: {
      default: read(settings.egress),
      open: read(settings.egressOpen),
      dns: read(settings.egressDns),
      authorities: read(settings.egressCa),
      uplink: read(settings.egressUplink),
    },
    registry: {
      open: read(settings.registryOpen),
      insecure: read(settings.registryInsecure),
      maxImageMb: read(settings.maxImageMb),
    },
    metrics: read(settings.metrics),
    buckets: {
      maxObjectMb: read(settings.maxObjectMb),
      s3: s3(read(settings.s3Url), {
        region: read(settings.s3Region),
        accessKey: read(settings.s3AccessKey),
        secretKey: read(settings.s3SecretKey),
      }),
    },
    webhooks: { open: read(settings.webhookOpen) },
    agents: { mcpOpen: read(settings.mcpOpen) },
    billing: {
      currency: read(settings.billingCurrency),
      sandboxBank: read(settings.sandboxBank),
      stripe: {
        key: read(settings.stripeKey),
        webhookSecret: read(settings.stripeWebhookSecret),
        url: read(settings.stripeUrl),
      },
    },
    templates: read(settings.templates),
    templateStarts: read(settings.templateStarts),
    kernel: read(settings.kernel),
    functions: {
      pool: read(settings.functionPool),
      instances: read(settings.functionInstances),
      idleSeconds: read(settings.functionIdleSeconds),
      driver: read(settings.functionDriver),
      forecasts: read(settings.functionForecasts),
    },
    poolSize: read(settings.poolSize),
    parallelCreates: read(settings.parallelCreates),
    maxSandboxes: read(settings.maxSandboxes),
    diskWriteMbps: read(settings.diskWriteMbps),
    databaseUrl: read(settings.databaseUrl),
    historyHours: read(settings.historyHours),
    logLevel: read(settings.logLevel),
    models: readModels(read),
    defaultLimits: {
      cpuCores: read(settings.cpuCores),
      memoryMb: read(settings.memoryMb),
      diskMb: read(settings.diskMb),
      maxProcesses: read(settings.maxProcesses),
      maxOpenFiles: read(settings.maxOpenFiles),
    },
  }
}

function tlsFiles(certificate: string | undefined, key: string | undefined): Config['tls'] {
  if (certificate && key) return { certificate, key }
  if (!certificate && !key) return undefined
  const { tlsCertificate, tlsKey } = settings
  throw new WarrenError('invalid_request', `${tlsCertificate.env} and ${tlsKey.env} go together`)
}

function s3(
  url: string | undefined,
  { region, accessKey, secretKey }: { region: string; accessKey: string | undefined; secretKey: string | undefined },
): Config['buckets']['s3'] {
  if (url && accessKey && secretKey) return { url, region, accessKey, secretKey }
  if (!url && !accessKey && !secretKey) return undefined
  const { s3Url, s3AccessKey, s3SecretKey } = settings
  throw new WarrenError('invalid_request', `${s3Url.env}, ${s3AccessKey.env} and ${s3SecretKey.env} go together`)
}

function provider(
  issuer: string | undefined,
  clientId: string | undefined,
  more: Pick<NonNullable<Config['oidc']>, 'clientSecret' | 'domains' | 'role'>,
): Config['oidc'] {
  if (issuer && clientId) return { issuer, clientId, ...more }
  if (!issuer && !clientId) return undefined
  throw new WarrenError('invalid_request', `${settings.oidcIssuer.env} and ${settings.oidcClientId.env} go together`)
}

type Endpoint = Pick<Config['models'], 'api' | 'vendor' | 'url' | 'keys' | 'prices'>

function readModels(read: <T>(setting: Setting<T>) => T): Config['models'] {
  const endpoint = (api: Endpoint['api'], vendor: Endpoint['vendor'], url: string | undefined) => ({
    api,
    vendor: vendor ?? (url && api === 'openai-chat' ? 'compatible' : undefined),
    url,
  })
  const main: Endpoint = {
    ...endpoint(read(settings.modelApi), read(settings.modelVendor), read(settings.modelUrl)),
    keys: read(settings.modelKeys),
    prices: read(settings.modelPrices),
  }
  const fallbackModel = read(settings.fallbackModel)
  const [api, vendor, url] = [read(settings.fallbackApi), read(settings.fallbackVendor), read(settings.fallbackUrl)]
  const keys = read(settings.fallbackKeys)
  const isElsewhere = api !== undefined || vendor !== undefined || url !== undefined || keys.length > 0
  const there = isElsewhere ? { ...endpoint(api ?? 'openai-chat', vendor, url), keys } : main
  const embeddingModel = read(settings.embeddingModel)
  return {
    ...main,
    model: read(settings.model),
    smallModel: read(settings.smallModel),
    fallback: fallbackModel
      ? { ...there, prices: read(settings.fallbackPrices) ?? main.prices, model: fallbackModel }
      : undefined,
    embedding: embeddingModel
      ? {
          model: embeddingModel,
          baseUrl: read(settings.embeddingUrl),
          keys: read(settings.embeddingKeys),
          dimensions: read(settings.embeddingDimensions),
        }
      : undefined,
  }
}
