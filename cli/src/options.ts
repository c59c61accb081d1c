import type { CreateOptions, Isolation } from '@warren/sdk'
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

export function wholePositive(value: string): number {
  const number = positive(value)
  if (!Number.isInteger(number)) throw new InvalidArgumentError(text.badWhole(value))
  return number
}

export interface CreateFlags {
  template?: string
  timeout?: number
  env?: Record<string, string>
  metadata?: Record<string, string>
  cpu?: number
  memory?: number
  disk?: number
  processes?: number
  isolation?: Isolation
  driver?: string
}

/** The options of every command that starts a sandbox. */
export function withCreateOptions(command: Command): Command {
  return command
    .option('-t, --template <name>', text.optionTemplate)
    .option('--timeout <seconds>', text.optionTimeout, wholePositive)
    .option('-e, --env <name=value>', text.optionEnv, pair)
    .option('-m, --metadata <name=value>', text.optionMetadata, pair)
    .option('--cpu <cores>', text.optionCpu, positive)
    .option('--memory <mb>', text.optionMemory, wholePositive)
    .option('--disk <mb>', text.optionDisk, wholePositive)
    .option('--processes <number>', text.optionProcesses, wholePositive)
    .addOption(
      new Option('--isolation <level>', text.optionIsolation).choices([
        'none',
        'namespaces',
        'container',
        'userspace-kernel',
        'microvm',
      ]),
    )
    .option('--driver <name>', text.optionDriver)
}

/** What these options ask for. What was not given is left to the server. */
export function createOptions(flags: CreateFlags): CreateOptions {
  const { template, timeout, env, metadata, isolation: min, driver } = flags
  const limits = { cpuCores: flags.cpu, memoryMb: flags.memory, diskMb: flags.disk, maxProcesses: flags.processes }
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
  return {
    template,
    timeout,
    env,
    metadata,
    limits: Object.keys(given).length > 0 ? given : undefined,
    isolation: min || driver ? { ...(min && { min }), ...(driver && { driver }) } : undefined,
  }
}
