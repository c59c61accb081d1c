import type { Command } from 'commander'
import { knownDrivers } from '../options.ts'

/** A command, and what may follow it. */
export interface Place {
  /** Without the program's name: `sandbox exec`. */
  path: string
  /** Its subcommands or the choices of its first argument. */
  words: string[]
  options: string[]
  /** From its first argument on, what follows belongs to the program that it runs. */
  runs: boolean
  /** Where ids of sandboxes may stand: nowhere, as the first argument, or as every one. */
  ids: 'none' | 'first' | 'all'
  /** Its arguments are files here or, as ID:, in a sandbox. */
  copies: boolean
}

/** An option that takes a value; `values` where they are known. */
export interface ValueOption {
  names: string[]
  values: string[]
}

export function placesOf(program: Command): Place[] {
  const places: Place[] = []
  const visit = (command: Command, path: string[]) => {
    const [argument] = command.registeredArguments
    places.push({
      path: path.join(' '),
      words: [...command.commands.flatMap(namesOf), ...(argument?.argChoices ?? [])],
      options: [...command.options.flatMap(({ long }) => long ?? []), '--help'],
      runs: command.registeredArguments.some((one) => one.name() === 'command'),
      ids: argument?.name() !== 'id' ? 'none' : argument.variadic ? 'all' : 'first',
      copies: argument?.name() === 'from',
    })
    for (const child of command.commands) for (const name of namesOf(child)) visit(child, [...path, name])
  }
  visit(program, [])
  return places
}

export function valueOptionsOf(program: Command): ValueOption[] {
  const found = new Map<string, ValueOption>()
  const visit = (command: Command) => {
    for (const { long, short, required, argChoices } of command.options) {
      if (!required || !long) continue
      const values = argChoices ?? (long === '--driver' ? knownDrivers : [])
      found.set(long, { names: [long, ...(short ? [short] : [])], values })
    }
    for (const child of command.commands) visit(child)
  }
  visit(program)
  return [...found.values()]
}

function namesOf(command: Command): string[] {
  return [command.name(), ...command.aliases()]
}
