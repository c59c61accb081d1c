import type { Transport } from './transport.ts'

/** A worker: a machine that runs sandboxes for the platform. */
export interface Node {
  id: string
  /** The name of its machine. */
  host: string
  /** Where the platform reaches it. */
  address: string
  /** `unreachable`: requests failed a moment ago; `lost`: not heard of, or stopped. */
  state: 'ready' | 'unreachable' | 'lost'
  /** Absent when it said that it stops. */
  heardAt?: string
  /** That have a place there now. */
  sandboxes: number
  /** Of its machine. */
  memoryMb: number
  /** What its sandboxes may use of that. */
  promisedMb: number
}

/** The machines that run sandboxes for the platform. All of it takes the operator's key. */
export class Nodes {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(): Promise<Node[]> {
    return (await this.#transport.json<{ nodes: Node[] }>('GET', '/v1/nodes')).nodes
  }

  /** Gives up a worker that is gone for good. Answers how many sandboxes it had: they have failed. */
  async remove(id: string): Promise<number> {
    return (await this.#transport.json<{ lost: number }>('DELETE', `/v1/nodes/${encodeURIComponent(id)}`)).lost
  }
}
