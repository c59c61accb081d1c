import { totalmem } from 'node:os'
import { WarrenError } from '../errors.ts'
import { Circuit } from '../lib/circuit.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { rareWarning } from '../telemetry/rare-warning.ts'
import { leastLoaded } from './least-loaded.ts'
import type { Load, Node } from './node.ts'
import { NodeStore } from './node-store.ts'

/** How old what is known of them may be, milliseconds. */
const freshMs = 1_000
/** What was placed so recently may not be in what the database says, milliseconds. */
const recentMs = 2 * freshMs
/** Sandboxes of workers that are remembered. One does not change its node. */
const mostRemembered = 20_000

interface NodesOptions {
  db: Pick<Database, 'pool'>
  /** Makes of what a lost worker had something that failed. Answers how many. */
  giveUp: (node: string) => Promise<number>
  logger: Logger
}

/** What the platform knows of its workers: which there are, which has a sandbox, which shall have the next one. */
export class Nodes {
  readonly #store: NodeStore
  readonly #giveUp: NodesOptions['giveUp']
  readonly #warn: (reason: Error) => void
  readonly #circuits = new Map<string, Circuit>()
  readonly #nodeOf = new Map<string, string>()
  #known = new Map<string, Node>()
  #ownPromisedMb = 0
  #placed: { node: string; memoryMb: number; atMs: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor({ db, giveUp, logger }: NodesOptions) {
    this.#store = new NodeStore(db)
    this.#giveUp = giveUp
    this.#warn = rareWarning(logger, { text: 'workers cannot be looked up', everyMs: 30_000 })
  }

  async start(): Promise<void> {
    await this.#look()
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look()
        .catch(this.#warn)
        .finally(() => {
          this.#looking = undefined
        })
    }, freshMs).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  /** Without one nothing is asked for. */
  get areThere(): boolean {
    return this.#known.size > 0
  }

  async list(): Promise<{ node: Node; reachable: boolean }[]> {
    await this.#look()
    return [...this.#known.values()].map((node) => ({
      node,
      reachable: node.isHeard && !this.circuit(node).isOpen,
    }))
  }

  /** Gives up a worker that is gone for good, and its sandboxes. Answers how many those were. Throws `not_found`, `conflict`. */
  async remove(id: string): Promise<number> {
    await this.#look()
    const node = this.#known.get(id)
    if (node && !(await this.#store.remove(id)))
      throw new WarrenError('conflict', `the worker ${id} on ${node.host} works: stop it first`)
    this.#known.delete(id)
    const lost = await this.#giveUp(id)
    // Of one whose removal was broken off before its sandboxes were given up, these are still there.
    if (!node && lost === 0) throw new WarrenError('not_found', `there is no worker "${id.slice(0, 64)}"`)
    return lost
  }

  /** The worker that has a sandbox; undefined where the platform itself has it, or there is none of this id. */
  async of(sandboxId: string): Promise<Node | undefined> {
    const id = this.#nodeOf.get(sandboxId) ?? (await this.#store.of(sandboxId))
    if (id === undefined) return undefined
    if (!this.#nodeOf.has(sandboxId)) {
      if (this.#nodeOf.size >= mostRemembered) this.#nodeOf.delete(this.#nodeOf.keys().next().value!)
      this.#nodeOf.set(sandboxId, id)
    }
    // One that has come a moment ago may not be known yet.
    if (!this.#known.has(id)) await this.#look()
    const node = this.#known.get(id)
    if (!node) this.#nodeOf.delete(sandboxId)
    return node
  }

  /**
   * Where a sandbox of so much memory goes: the machine of whose memory the smallest part is promised. Undefined: the platform's own. Who asks
   * says by `circuit` what came of it, and with `besides` which were tried in vain.
   */
  place(memoryMb: number, besides: ReadonlySet<string>): Node | undefined {
    const nowMs = performance.now()
    this.#placed = this.#placed.filter(({ atMs }) => nowMs - atMs < recentMs)
    const own = { ...this.#loadOf('', this.#ownPromisedMb, totalmem() / 2 ** 20), node: undefined }
    const workers = [...this.#known.values()]
      .filter((node) => node.isHeard && !besides.has(node.id) && !this.circuit(node).isOpen)
      .map((node) => ({ ...this.#loadOf(node.id, node.promisedMb, node.memoryMb), node }))
    const chosen = leastLoaded<Load & { node: Node | undefined }>([own, ...workers], memoryMb)?.node
    this.#placed.push({ node: chosen?.id ?? '', memoryMb, atMs: nowMs })
    return chosen && this.circuit(chosen).allows() ? chosen : undefined
  }

  circuit({ id }: Node): Circuit {
    const circuit = this.#circuits.get(id) ?? new Circuit()
    this.#circuits.set(id, circuit)
    return circuit
  }

  #loadOf(node: string, promisedMb: number, memoryMb: number): Load {
    const recent = this.#placed.filter((one) => one.node === node)
    return { promisedMb: promisedMb + recent.reduce((sum, one) => sum + one.memoryMb, 0), memoryMb }
  }

  async #look(): Promise<void> {
    const { nodes, ownPromisedMb } = await this.#store.list()
    this.#known = new Map(nodes.map((node) => [node.id, node]))
    this.#ownPromisedMb = ownPromisedMb
    for (const id of this.#circuits.keys()) if (!this.#known.has(id)) this.#circuits.delete(id)
  }
}
