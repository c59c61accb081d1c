import type { Role } from './auth.ts'
import type { Transport } from './transport.ts'

/** An organisation. Times are ISO 8601. */
export interface OrgInfo {
  id: string
  name: string
  maxSandboxes: number
  createdAt: string
}

export interface MemberInfo {
  userId: string
  email: string
  name: string
  role: Role
  since: string
}

export interface InvitationInfo {
  id: string
  email: string
  role: Role
  createdAt: string
  expiresAt: string
  /** What the person is sent. Told when it is made, and not again. */
  link?: string
}

/** Organisations and who belongs to them. */
export class Orgs {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Those that you can act for. */
  async list(): Promise<OrgInfo[]> {
    return (await this.#transport.json<{ orgs: OrgInfo[] }>('GET', '/v1/orgs')).orgs
  }

  /** For the operator. Throws `conflict` where there is one of that name. */
  create(name: string, options: { maxSandboxes?: number | undefined } = {}): Promise<OrgInfo> {
    return this.#transport.json('POST', '/v1/orgs', { json: { name, ...options } })
  }

  get(id: string): Promise<OrgInfo> {
    return this.#transport.json('GET', pathOf(id))
  }

  change(id: string, change: { name?: string; maxSandboxes?: number | null }): Promise<OrgInfo> {
    return this.#transport.json('PATCH', pathOf(id), { json: change })
  }

  async members(id: string): Promise<MemberInfo[]> {
    return (await this.#transport.json<{ members: MemberInfo[] }>('GET', pathOf(id, 'members'))).members
  }

  setRole(id: string, userId: string, role: Role): Promise<void> {
    return this.#transport.done('PATCH', pathOf(id, 'members', userId), { json: { role } })
  }

  removeMember(id: string, userId: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(id, 'members', userId))
  }

  /** The answer has the link to send. It is good for three days unless `hours` says otherwise, and once. */
  invite(id: string, invitation: { email: string; role: Role; hours?: number | undefined }): Promise<InvitationInfo> {
    return this.#transport.json('POST', pathOf(id, 'invitations'), { json: invitation })
  }

  async invitations(id: string): Promise<InvitationInfo[]> {
    const path = pathOf(id, 'invitations')
    return (await this.#transport.json<{ invitations: InvitationInfo[] }>('GET', path)).invitations
  }

  withdrawInvitation(id: string, invitation: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(id, 'invitations', invitation))
  }
}

function pathOf(...parts: string[]): string {
  return `/v1/orgs/${parts.map(encodeURIComponent).join('/')}`
}
