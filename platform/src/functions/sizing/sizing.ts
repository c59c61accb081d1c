import type { EndedCall } from '../invocations/record.ts'
import { Sketch } from './sketch.ts'

/** What is learned of a call. */
export type Used = Pick<EndedCall, 'functionId' | 'version' | 'memoryMb' | 'billedMs' | 'cpuMs' | 'peakMb' | 'failure'>

/** What calls of one version used, and what would do. */
export interface Measured {
  calls: number
  /** What an instance had at most, MiB, by the kernel: also for files that it has read. */
  memoryMb: { p95: number; max: number }
  /** Processor time by the time that a call took. */
  cpuCores: { p95: number; max: number }
  /** Times that one had too little memory. */
  outOfMemory: number
  /** Once there were enough calls. */
  suggestion: { memoryMb: number; cpuCores: number } | undefined
}

interface Measures {
  calls: number
  memory: Sketch
  cpu: Sketch
  outOfMemory: number
  /** The most memory that was too little, MiB. */
  tooLittleMb: number
}

/** Fewer calls say nothing. */
const leastCalls = 20
/** Before less memory is taken for enough. */
const sureCalls = 100
/** Over the most that was ever used; over what was too little. */
const headroom = { used: 1.25, tooLittle: 1.5 }
const memoryStepMb = 16
const memoryMb = { least: 64, most: 32_768 }
const cpuStep = 0.05
/** Of shorter calls the processor time is not exact enough, milliseconds. */
const leastCpuMs = 20
/** Less is saved than a new version costs. */
const worthwhile = 0.8
const mostVersions = 10_000

/** Learns from the ends of calls how much memory and processor time versions need. In memory; a start reads the last calls of before. */
export class Sizing {
  readonly #measures = new Map<string, Measures>()

  add(calls: readonly Used[]): void {
    for (const call of calls) {
      const measures = this.#of(call)
      measures.calls++
      if (call.peakMb !== undefined) measures.memory.add(call.peakMb)
      if (call.cpuMs !== undefined && call.billedMs >= leastCpuMs) measures.cpu.add(call.cpuMs / call.billedMs)
      if (call.failure?.reason !== 'out_of_memory') continue
      measures.outOfMemory++
      this.tooLittle(call)
    }
  }

  /** So much was too little, for this version or for one before it that has the same code. */
  tooLittle({ memoryMb: had, ...version }: Pick<Used, 'functionId' | 'version' | 'memoryMb'>): void {
    const measures = this.#of(version)
    measures.tooLittleMb = Math.max(measures.tooLittleMb, had)
  }

  /** Undefined where no call of it has ended yet. */
  of(functionId: string, version: number): Measured | undefined {
    const measures = this.#measures.get(keyOf(functionId, version))
    if (!measures) return undefined
    const { calls, memory, cpu, outOfMemory } = measures
    return {
      calls,
      memoryMb: { p95: Math.round(memory.quantile(0.95)), max: Math.round(memory.max) },
      cpuCores: { p95: round(cpu.quantile(0.95)), max: round(cpu.max) },
      outOfMemory,
      suggestion: suggest(measures),
    }
  }

  /** The memory that a version had better have, where it is sure enough to be given it unasked. */
  better(functionId: string, { version, memoryMb: has }: { version: number; memoryMb: number }): number | undefined {
    const measures = this.#measures.get(keyOf(functionId, version))
    const wanted = measures && suggest(measures)?.memoryMb
    if (!measures || wanted === undefined) return undefined
    if (measures.outOfMemory > 0) return wanted > has ? wanted : undefined
    return measures.calls >= sureCalls && wanted <= has * worthwhile ? wanted : undefined
  }

  /** Versions that something is known of. */
  get versions(): { functionId: string; version: number }[] {
    return [...this.#measures.keys()].map((key) => {
      const [functionId, version] = key.split('/') as [string, string]
      return { functionId, version: Number(version) }
    })
  }

  /** What was too little once is not tried again: a later version begins with that knowledge. */
  passOn(functionId: string, from: number, to: number): void {
    const known = this.#measures.get(keyOf(functionId, from))
    this.#measures.delete(keyOf(functionId, from))
    if (known) this.tooLittle({ functionId, version: to, memoryMb: known.tooLittleMb })
  }

  forget(functionId: string): void {
    for (const key of this.#measures.keys()) if (key.startsWith(`${functionId}/`)) this.#measures.delete(key)
  }

  #of({ functionId, version }: Pick<EndedCall, 'functionId' | 'version'>): Measures {
    const key = keyOf(functionId, version)
    const known = this.#measures.get(key)
    if (known) return known
    const fresh = { calls: 0, memory: new Sketch(16), cpu: new Sketch(0.01), outOfMemory: 0, tooLittleMb: 0 }
    if (this.#measures.size >= mostVersions) this.#measures.delete(this.#measures.keys().next().value!)
    this.#measures.set(key, fresh)
    return fresh
  }
}

/** Never below what was used, nor what was too little, and some more. Undefined while too little is known. */
function suggest({ calls, memory, cpu, outOfMemory, tooLittleMb }: Measures): Measured['suggestion'] {
  if (memory.max === 0 && outOfMemory === 0) return undefined
  if (calls < leastCalls && outOfMemory === 0) return undefined
  const neededMb = Math.max(memory.max * headroom.used, tooLittleMb * headroom.tooLittle, memoryMb.least)
  return {
    memoryMb: Math.min(memoryMb.most, Math.ceil(neededMb / memoryStepMb) * memoryStepMb),
    cpuCores: Math.max(cpuStep, round(Math.ceil((cpu.quantile(0.95) * headroom.used) / cpuStep) * cpuStep)),
  }
}

const round = (value: number) => Math.round(value * 100) / 100

function keyOf(functionId: string, version: number): string {
  return `${functionId}/${version}`
}
