import { Agents } from './agents.ts'
import { Audit } from './audit.ts'
import { Auth } from './auth.ts'
import { Billing } from './billing.ts'
import { Buckets } from './buckets.ts'
import { WarrenError } from './error.ts'
import { Events } from './events.ts'
import { Functions } from './functions.ts'
import { Keys } from './keys.ts'
import { Nodes } from './nodes.ts'
import { Objects } from './objects.ts'
import { Orgs } from './orgs.ts'
import { Queues } from './queues.ts'
import { Quotas } from './quotas.ts'
import { Runs } from './runs.ts'
import { type Isolation, Sandboxes } from './sandboxes.ts'
import { Secrets } from './secrets.ts'
import { Snapshots } from './snapshots.ts'
import { Templates } from './templates.ts'
import { Transport } from './transport.ts'
import { readTop, readUsage, type TopSandbox, type UsageOptions, type UsageReport } from './usage.ts'
import { Volumes } from './volumes.ts'
import { Webhooks } from './webhooks.ts'

export interface WarrenOptions {
  /** Address of the server. Default: the variable WARREN_URL where there is an environment, else http://127.0.0.1:7070. */
  baseUrl?: string | undefined
  /** A key, or the access token of who is signed in. Default: the variable WARREN_API_KEY where there is an environment. */
  apiKey?: string | undefined
  /** Id of the organisation to act for, for who can act for several. */
  organisation?: string | undefined
}

/** A runtime of the server and whether it works there. */
export interface RuntimeReport {
  driver: string
  isolation: Isolation
  healthy: boolean
  reason: string
  bootMs?: number
  /** What its sandboxes can do beside running, or why not. A fork needs snapshots that keep memory. */
  capabilities: {
    pause: { memory?: 'saved' | 'resident'; absent?: string }
    snapshot: { keeps?: 'memory' | 'files'; withoutMemory?: string; absent?: string }
  }
}

/** One Warren server. Makes no connection by itself. */
export class Warren {
  /** Workers of the platform, for its operator. */
  readonly nodes: Nodes
  readonly quotas: Quotas
  readonly agents: Agents
  readonly runs: Runs
  readonly sandboxes: Sandboxes
  readonly snapshots: Snapshots
  readonly secrets: Secrets
  readonly templates: Templates
  readonly volumes: Volumes
  readonly buckets: Buckets
  readonly objects: Objects
  readonly auth: Auth
  readonly orgs: Orgs
  readonly keys: Keys
  readonly audit: Audit
  readonly events: Events
  readonly webhooks: Webhooks
  readonly functions: Functions
  readonly queues: Queues
  readonly billing: Billing
  readonly #transport: Transport

  constructor(options: WarrenOptions = {}) {
    const baseUrl = options.baseUrl ?? environment('WARREN_URL') ?? 'http://127.0.0.1:7070'
    assertAddress(options.baseUrl === undefined ? 'WARREN_URL' : 'baseUrl', baseUrl)
    this.#transport = new Transport(baseUrl, options.apiKey ?? environment('WARREN_API_KEY'), options.organisation)
    this.nodes = new Nodes(this.#transport)
    this.quotas = new Quotas(this.#transport)
    this.agents = new Agents(this.#transport)
    this.runs = new Runs(this.#transport)
    this.sandboxes = new Sandboxes(this.#transport)
    this.secrets = new Secrets(this.#transport)
    this.snapshots = new Snapshots(this.#transport)
    this.templates = new Templates(this.#transport)
    this.volumes = new Volumes(this.#transport)
    this.buckets = new Buckets(this.#transport)
    this.objects = new Objects(this.#transport)
    this.auth = new Auth(this.#transport)
    this.orgs = new Orgs(this.#transport)
    this.keys = new Keys(this.#transport)
    this.audit = new Audit(this.#transport)
    this.events = new Events(this.#transport)
    this.webhooks = new Webhooks(this.#transport)
    this.functions = new Functions(this.#transport)
    this.queues = new Queues(this.#transport)
    this.billing = new Billing(this.#transport)
  }

  get baseUrl(): string {
    return this.#transport.baseUrl
  }

  /** The runtimes of the server, the strongest first, each with the reason for its verdict. */
  async runtimes(): Promise<RuntimeReport[]> {
    return (await this.#transport.json<{ runtimes: RuntimeReport[] }>('GET', '/v1/runtimes')).runtimes
  }

  /** What was used between two times, put together from the facts of use. */
  usage(options: UsageOptions = {}): Promise<UsageReport> {
    return readUsage(this.#transport, options)
  }

  /** The running sandboxes with what each uses now, the busiest first. */
  top(): Promise<TopSandbox[]> {
    return readTop(this.#transport)
  }
}

function assertAddress(name: string, value: string): void {
  // "localhost:7070" is a valid URL too: its scheme would be "localhost".
  if (/^https?:\/\//i.test(value) && isUrl(value)) return
  throw new WarrenError(
    'invalid_request',
    `${name} must be an address that begins with http:// or https://, not "${value}"`,
    {
      hint: 'Such as http://127.0.0.1:7070',
    },
  )
}

function isUrl(value: string): boolean {
  try {
    return new URL(value).hostname !== ''
  } catch {
    return false
  }
}

/** A variable of the environment; undefined where there is none, as in a browser. */
function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.[name] || undefined
}
