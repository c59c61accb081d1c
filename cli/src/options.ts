import type { CreateOptions, Isolation, NetworkPolicy, SandboxInfo } from '@warren/sdk'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { text } from './messages.ts'

/** Parses a repeatable NAME=VALUE. */
export function pair(value: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = value.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError(text.badPair(value))
  return { ...before, [value.slice(0, equals)]: value.slice(equals + 1) }
}

export function positive(value: string): number {
  const number = Number(value)
  if (!(number > 0)) throw new InvalidArgumentError(text.badNumber(value))
  return number
}

/** Seconds of `90`, `30s`, `10m` or `2h`. */
export function duration(value: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?|\.\d+)([smhd]?)$/.exec(value) ?? []
  const seconds = Number(number) * (secondsOf[unit || 's'] ?? 1)
  if (!(seconds > 0)) throw new InvalidArgumentError(text.badDuration(value))
  return seconds
}

const secondsOf: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** As `duration`, but of whole seconds: the life of a sandbox. */
export function wholeDuration(value: string): number {
  const seconds = duration(value)
  if (!Number.isInteger(seconds)) throw new InvalidArgumentError(text.badWholeSeconds(value))
  return seconds
}

export function wholePositive(value: string): number {
  const number = positive(value)
  if (!Number.isInteger(number)) throw new InvalidArgumentError(text.badWhole(value))
  return number
}

const isolationLevels: Isolation[] = ['none', 'namespaces', 'container', 'userspace-kernel', 'microvm']

export interface NetworkFlags {
  internet?: boolean
  allow?: string[]
  secret?: string[]
  deny?: string[]
  bandwidth?: number
}

export interface CreateFlags extends NetworkFlags {
  template?: string
  snapshot?: string
  timeout?: number
  onTimeout?: 'kill' | 'pause'
  /** False if asked for. */
  keepMemory?: boolean
  autoResume?: boolean
  env?: Record<string, string>
  metadata?: Record<string, string>
  cpu?: number
  memory?: number
  disk?: number
  processes?: number
  isolation?: Isolation
  gpu?: boolean
  driver?: string
  volume?: VolumeMount[]
}

interface VolumeMount {
  name: string
  path: string
}

/** Parses a repeatable NAME:PATH. */
function mount(value: string, before: VolumeMount[] = []): VolumeMount[] {
  const [, name, path] = /^([^:/]+):(\/.*)$/.exec(value) ?? []
  if (!name || !path) throw new InvalidArgumentError(text.badMount(value))
  return [...before, { name, path }]
}

/** The options that say what a sandbox may reach. */
export function withNetworkOptions(command: Command): Command {
  return command
    .option('--internet', text.optionInternet)
    .option('--no-internet', text.optionNoInternet)
    .option('--allow <rule>', text.optionAllow, repeated)
    .option('--deny <rule>', text.optionDeny, repeated)
    .option('--bandwidth <mbps>', text.optionBandwidth, positive)
    .option('--secret <name>', text.optionSecret, repeated)
}

export function repeated(value: string, before: string[] = []): string[] {
  return [...before, value]
}

/** Undefined where nothing is said: then it is left to the server. */
export function networkOptions({ internet, allow, deny, bandwidth, secret }: NetworkFlags): NetworkPolicy | undefined {
  const said = { internet, allow, deny, bandwidthMbps: bandwidth, secrets: secret }
  return Object.values(said).some((value) => value !== undefined) ? said : undefined
}

/** The options of every command that starts a sandbox. */
export function withCreateOptions(command: Command): Command {
  return withNetworkOptions(command)
    .option('-t, --template <name>', text.optionTemplate)
    .option('--snapshot <id>', text.optionSnapshot)
    .option('--timeout <time>', text.optionTimeout, wholeDuration)
    .addOption(new Option('--on-timeout <action>', text.optionOnTimeout).choices(['kill', 'pause']))
    .option('--no-keep-memory', text.optionNoKeepMemory)
    .option('--auto-resume', text.optionAutoResume)
    .option('-e, --env <name=value>', text.optionEnv, pair)
    .option('-m, --metadata <name=value>', text.optionMetadata, pair)
    .option('--cpu <cores>', text.optionCpu, positive)
    .option('--memory <mb>', text.optionMemory, wholePositive)
    .option('--disk <mb>', text.optionDisk, wholePositive)
    .option('--processes <number>', text.optionProcesses, wholePositive)
    .addOption(new Option('--isolation <level>', text.optionIsolation).choices(isolationLevels))
    .option('--gpu', text.optionGpu)
    .option('--driver <name>', text.optionDriver)
    .option('-v, --volume <name:path>', text.optionVolume, mount)
}

/** Offered by the completion; the server alone knows which runtimes it has. */
export const knownDrivers = ['oci/runsc', 'oci/runc', 'namespaces', 'unconfined']

/** Says on stderr which limits were asked for and are kept by nothing on the server's host. */
export function warnOfUnenforced(flags: CreateFlags, { runtime }: SandboxInfo): void {
  const options = unenforcedOptions(flags, runtime)
  if (options.length > 0) process.stderr.write(`warren: ${text.unenforced(options)}\n`)
}

export function unenforcedOptions(flags: CreateFlags, runtime: SandboxInfo['runtime']): string[] {
  if (!runtime) return []
  const { unenforced, disk } = runtime
  const rows: [string, number | undefined, boolean][] = [
    ['--cpu', flags.cpu, unenforced.includes('cpuCores')],
    ['--memory', flags.memory, unenforced.includes('memoryMb')],
    ['--processes', flags.processes, unenforced.includes('maxProcesses')],
    ['--disk', flags.disk, disk === 'none'],
  ]
  return rows.filter(([, asked, free]) => asked !== undefined && free).map(([option]) => option)
}

/** What these options ask for. What was not given is left to the server. */
export function createOptions(flags: CreateFlags): CreateOptions {
  const {
    template,
    snapshot,
    timeout,
    onTimeout,
    autoResume,
    env,
    metadata,
    isolation: min,
    driver,
    gpu,
    volume,
  } = flags
  const limits = { cpuCores: flags.cpu, memoryMb: flags.memory, diskMb: flags.disk, maxProcesses: flags.processes }
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
  return {
    template,
    snapshot,
    timeout,
    onTimeout,
    keepMemory: flags.keepMemory === false ? false : undefined,
    autoResume,
    env,
    metadata,
    limits: Object.keys(given).length > 0 ? given : undefined,
    network: networkOptions(flags),
    volumes: volume,
    isolation:
      min || driver || gpu ? { ...(min && { min }), ...(driver && { driver }), ...(gpu && { gpu }) } : undefined,
  }
}
