import type { Transport } from './transport.ts'

export type QuotaName =
  | 'sandboxes'
  | 'cpuCores'
  | 'memoryMb'
  | 'storageMb'
  | 'egressMbPerDay'
  | 'requestsPerMinute'
  | 'functions'
  | 'builds'
  | 'agentBudget'

/** What an organisation may have of something. */
export interface Quota {
  name: QuotaName
  /** Absent where there is no limit. */
  most?: number
  /** Now; of egress, today. */
  used: number
  /** Whether it was set for this organisation, and is not the default. */
  own: boolean
}

/** What an organisation may have, and has. */
export class Quotas {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(): Promise<Quota[]> {
    return (await this.#transport.json<{ quotas: Quota[] }>('GET', '/v1/quotas')).quotas
  }

  /** With the operator's key. `null` is the default again; what is not named stays. */
  set(
    quotas: Partial<Record<QuotaName, number | null>>,
    options: { organisation?: string | undefined } = {},
  ): Promise<void> {
    return this.#transport.done('PUT', '/v1/quotas', { json: { ...options, quotas } })
  }
}
