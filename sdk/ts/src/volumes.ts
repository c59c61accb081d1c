import type { Transport } from './transport.ts'

/** What outlives sandboxes, and several may have at once. `createdAt` is ISO 8601. */
export interface VolumeInfo {
  id: string
  name: string
  /** MiB. Absent where nothing limits it. */
  sizeMb?: number
  createdAt: string
}

/** The volumes of an account. They are mounted by `sandboxes.create({ volumes: [{ name, path }] })`. */
export class Volumes {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** An empty volume, of 1 GiB unless said. Throws `conflict` when there is one of that name. */
  create(name: string, options: { sizeMb?: number | undefined } = {}): Promise<VolumeInfo> {
    return this.#transport.json('POST', '/v1/volumes', { json: { name, ...options } })
  }

  /** By id or name. Throws `not_found` when there is none. */
  get(volume: string): Promise<VolumeInfo> {
    return this.#transport.json('GET', pathOf(volume))
  }

  /** Newest first. */
  async list(): Promise<VolumeInfo[]> {
    return (await this.#transport.json<{ volumes: VolumeInfo[] }>('GET', '/v1/volumes')).volumes
  }

  /** With all that is in it. Throws `conflict` while a sandbox has it. */
  delete(volume: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(volume))
  }
}

function pathOf(volume: string): string {
  return `/v1/volumes/${encodeURIComponent(volume)}`
}
