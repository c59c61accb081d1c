import { renewNetwork } from './renew-secret.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** A quarter of the time that an identity token holds, milliseconds. */
const everyMs = 900_000

/** Gives the gateway new identity tokens for all running sandboxes that have some, again and again. Answers with what ends that. */
export function keepIdentitiesFresh(deps: SandboxDeps): () => void {
  const timer = setInterval(() => void renewIdentities(deps), everyMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Gives the gateway new ones now. What fails is logged. */
export async function renewIdentities(deps: SandboxDeps): Promise<void> {
  const { store, live, logger } = deps
  try {
    for (const { id, network } of await store.unsettled()) {
      const sandbox = network.identity && live.get(id)
      if (!sandbox) continue
      await renewNetwork(deps, { id, ...sandbox }).catch((error) =>
        logger.error({ err: error, sandbox: id }, 'the identity tokens of a sandbox were not renewed'),
      )
    }
  } catch (error) {
    logger.error({ err: error }, 'identity tokens of sandboxes were not renewed')
  }
}
