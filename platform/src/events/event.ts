/** Everything that other parts may hear of. Past tense, each told in the transaction of the change it tells of. */
export type Event = SandboxCreated | SandboxStopped | SandboxFailed | SandboxTimeoutChanged | SandboxNetworkChanged

interface About {
  accountId: string
  /** Id of what it is about. */
  subject: string
}

interface SandboxCreated extends About {
  type: 'sandbox.created'
  data: { template: string; driver: string; isolation: string; warm: boolean }
}

interface SandboxStopped extends About {
  type: 'sandbox.stopped'
  data: { reason: string }
}

interface SandboxFailed extends About {
  type: 'sandbox.failed'
  data: { reason: string }
}

interface SandboxTimeoutChanged extends About {
  type: 'sandbox.timeout_changed'
  data: { expiresAt: string }
}

interface SandboxNetworkChanged extends About {
  type: 'sandbox.network_changed'
  data: { internet: boolean; allow: string[]; deny: string[] }
}
