import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { WarrenError } from '../../../errors.ts'

/** Loading some hundred megabytes from a slow disk. */
const loadMs = 60_000

/**
 * The memory of a saved machine, loaded once into a sealed file of memory that all its copies map: what they do not write
 * is there once, and none of them can change it. A process of ours holds it, for as long as this one lives.
 */
export class HeldMemory {
  readonly #child: ChildProcess
  readonly #fd: Promise<number>

  constructor(guestBinary: string, path: string) {
    const child = spawn(guestBinary, ['hold', path], {
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.#child = child
    this.#fd = new Promise((resolve, reject) => {
      const fail = (cause?: Error) =>
        reject(new WarrenError('unavailable', `the memory of a saved machine cannot be loaded: ${path}`, { cause }))
      const late = setTimeout(fail, loadMs).unref()
      child.once('error', fail)
      child.once('exit', () => fail())
      child.stdout?.once('data', (line: Buffer) => {
        clearTimeout(late)
        resolve(Number(line.toString().trim()))
      })
    })
    this.#fd.catch(() => {}) // told to whoever asks
    child.stdin?.on('error', () => {})
    child.unref()
    for (const stream of [child.stdin, child.stdout]) (stream as Socket | null)?.unref()
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Where it is to be opened: process and descriptor. */
  async place(): Promise<{ pid: number; fd: number }> {
    ;(this.#child.stdout as Socket | null)?.ref()
    try {
      const fd = await this.#fd
      return { pid: this.#child.pid ?? 0, fd }
    } finally {
      ;(this.#child.stdout as Socket | null)?.unref()
    }
  }

  /** Machines that have mapped it keep it. */
  release(): void {
    this.#child.stdin?.end()
  }
}

/** Memories that are held for as long as machines start from them: all that start at once share one. */
export class SharedMemories {
  readonly #guestBinary: string
  readonly #held = new Map<string, { memory: HeldMemory; users: number }>()

  constructor(guestBinary: string) {
    this.#guestBinary = guestBinary
  }

  async use<T>(path: string, start: (place: { pid: number; fd: number }) => Promise<T>): Promise<T> {
    const held = this.#held.get(path) ?? { memory: new HeldMemory(this.#guestBinary, path), users: 0 }
    this.#held.set(path, held)
    held.users++
    try {
      return await start(await held.memory.place())
    } finally {
      held.users--
      if (held.users === 0) {
        this.#held.delete(path)
        held.memory.release()
      }
    }
  }
}
