import type { Account } from '../accounts/account.ts'
import type { QuotaDefaults } from '../quotas/quota.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** What an account may have where nothing else was set for it. */
export function quotasOf({ config }: Pick<SandboxDeps, 'config'>, { maxSandboxes }: Account): QuotaDefaults {
  return { ...config.quotas, sandboxes: maxSandboxes }
}
