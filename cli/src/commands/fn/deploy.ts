import type { DeployOptions, FunctionInfo } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { nameOf, readSource } from '../../functions/read-source.ts'
import { text } from '../../messages.ts'
import { duration, pair, positive, repeated, wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export interface DeployFlags {
  name?: string
  runtime?: DeployOptions['runtime']
  entry?: string
  handler?: string
  memory?: number
  autoMemory?: boolean
  cpu?: number
  disk?: number
  timeout?: number
  concurrency?: number
  maxInstances?: number
  minInstances?: number
  env?: Record<string, string>
  secret?: string[]
  invokes?: string[]
  preload?: string[]
  internet?: boolean
  public?: boolean
  publish?: boolean
  json?: boolean
}

export function addDeploy(parent: Command): void {
  withDeployOptions(parent.command('deploy').description(text.fnDeploy).argument('<path>', text.argumentSource))
    .option('--no-publish', text.optionNoPublish)
    .option('--json', text.optionJson)
    .action(deploy)
}

/** The options that say how a function is run. */
export function withDeployOptions(command: Command): Command {
  return command
    .option('--name <name>', text.optionFunctionName)
    .addOption(new Option('--runtime <runtime>', text.optionRuntime).choices(['node24', 'python3', 'custom']))
    .option('--entry <file>', text.optionEntry)
    .option('--handler <name>', text.optionHandler)
    .option('--memory <mb>', text.optionMemory, wholePositive)
    .option('--auto-memory', text.optionAutoMemory)
    .option('--cpu <cores>', text.optionCpu, positive)
    .option('--disk <mb>', text.optionDisk, wholePositive)
    .option('--timeout <time>', text.optionCallTimeout, duration)
    .option('--concurrency <number>', text.optionConcurrency, wholePositive)
    .option('--max-instances <number>', text.optionMaxInstances, wholePositive)
    .option('--min-instances <number>', text.optionMinInstances, wholePositive)
    .option('-e, --env <name=value>', text.optionEnv, pair)
    .option('--secret <name>', text.optionFunctionSecret, repeated)
    .option('--invokes <name>', text.optionInvokes, repeated)
    .option('--preload <module>', text.optionPreload, repeated)
    .option('--internet', text.optionInternet)
    .option('--public', text.optionPublic)
}

/** Reads what lies at `path` and deploys it. */
export async function deployPath(path: string, flags: DeployFlags): Promise<FunctionInfo> {
  const source = await readSource(path, {
    ...(flags.runtime && { runtime: flags.runtime }),
    ...(flags.entry && { entry: flags.entry }),
  })
  const {
    handler,
    memory,
    cpu,
    disk,
    timeout,
    concurrency,
    maxInstances,
    minInstances,
    env,
    secret,
    invokes,
    preload,
    internet,
  } = flags
  const settings = {
    ...{
      handler,
      memoryMb: memory,
      cpuCores: cpu,
      diskMb: disk,
      timeoutSeconds: timeout,
      concurrency,
      maxInstances,
      minInstances,
      env,
    },
    ...{ secrets: secret, invokes, preload, internet, public: flags.public, autoMemory: flags.autoMemory },
  }
  return server().functions.deploy(flags.name ?? nameOf(path), { ...source, settings, publish: flags.publish })
}

/** The address goes to stdout. */
async function deploy(path: string, flags: DeployFlags): Promise<void> {
  const made = await deployPath(path, flags)
  if (flags.json) return printJson(made)
  process.stderr.write(`${text.deployed(made.name, made.latest)}\n`)
  process.stdout.write(`${made.url}\n`)
}
