import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Isolation, type Limits, type Posture, Warren } from '@warren/sdk'
import { Cell } from './cell.ts'

export const guestBinary = fileURLToPath(new URL('../guest/target/release/warren-guest', import.meta.url))
export const probeBinary = fileURLToPath(new URL('../guest/target/release/warren-probe', import.meta.url))

/** Where a sandbox of one driver is made for attempts, on one server. */
export class Place {
  readonly server: { url: string; key: string }
  readonly driver: string
  readonly isolation: Isolation
  readonly warren: Warren
  readonly #scratchFolder: string
  readonly #made = new Set<Cell>()
  #main: Promise<Cell> | undefined
  #neighbour: Promise<Cell> | undefined
  #posture: Promise<Posture> | undefined
  #ownKernel: Promise<string | undefined> | undefined

  /** `scratchFolder` is where attempts may write, as seen from inside. */
  constructor(
    server: { url: string; key: string },
    runtime: { driver: string; isolation: Isolation },
    scratchFolder = '/tmp',
  ) {
    this.#scratchFolder = scratchFolder
    this.server = server
    this.driver = runtime.driver
    this.isolation = runtime.isolation
    this.warren = new Warren({ baseUrl: server.url, apiKey: server.key })
  }

  /** Nothing holds an attempt back here: what does not get through proves nothing elsewhere either. */
  get isControl(): boolean {
    return this.isolation === 'none'
  }

  /** So many times longer may an attempt take: an emulated processor is that slow, and it is no answer. */
  get patience(): number {
    return this.isolation === 'microvm' ? 8 : 1
  }

  /** The sandbox in which attempts are made that leave it as it is. */
  main(): Promise<Cell> {
    this.#main ??= this.#make()
    return this.#main
  }

  /** Another one beside it. */
  neighbour(): Promise<Cell> {
    this.#neighbour ??= this.#make()
    return this.#neighbour
  }

  /** Does `work` with a sandbox of its own, which it may ruin. */
  async withFresh<T>(limits: Partial<Limits>, work: (cell: Cell) => Promise<T>): Promise<T> {
    const cell = await this.#make(limits)
    try {
      return await work(cell)
    } finally {
      await this.#end(cell)
    }
  }

  posture(): Promise<Posture> {
    this.#posture ??= this.main().then(({ sandbox }) => sandbox.posture())
    return this.#posture
  }

  /** The kernel of its own that this place's programs have, as far as that has been shown; undefined where they share ours. */
  ownKernel(): Promise<string | undefined> {
    this.#ownKernel ??= this.#findOwnKernel()
    return this.#ownKernel
  }

  async close(): Promise<void> {
    await Promise.all([...this.#made].map((cell) => this.#end(cell).catch(() => {})))
  }

  async #findOwnKernel(): Promise<string | undefined> {
    if (this.isolation !== 'userspace-kernel' && this.isolation !== 'microvm') return undefined
    const cell = await this.main()
    const [inside, bootId] = (await cell.sh('uname -r; cat /proc/sys/kernel/random/boot_id 2>/dev/null')).split('\n')
    const ourBootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    const { ok, threads } = await this.posture()
    if (!ok || inside === release() || bootId === ourBootId) return undefined
    return `answered by a kernel of its own (Linux ${inside}), whose ${threads} threads on the host are confined`
  }

  async #make(limits: Partial<Limits> = {}): Promise<Cell> {
    const sandbox = await this.warren.sandboxes.create({
      timeout: 1800,
      limits,
      isolation: { driver: this.driver },
      metadata: { purpose: 'warren-verify' },
    })
    const cell = new Cell(sandbox, this.#scratchFolder, this.patience)
    this.#made.add(cell)
    await cell.open(probeBinary)
    return cell
  }

  async #end(cell: Cell): Promise<void> {
    await cell.sandbox[Symbol.asyncDispose]()
    this.#made.delete(cell)
  }
}
