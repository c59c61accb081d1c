import type { Static } from 'typebox'
import type { Sandbox, SandboxView } from '../sandboxes/sandbox.ts'
import type { Places } from './places.ts'

/** A sandbox as callers see it. */
export function sandboxView(sandbox: Sandbox, places: Places): Static<typeof SandboxView> {
  const { id, state, template, limits, network, volumes, metadata, warm, runtime, memory, endReason } = sandbox
  const { onTimeout, keepMemory, autoResume } = sandbox.lifecycle
  return {
    id,
    state,
    template,
    limits,
    network,
    ...(volumes.length > 0 ? { volumes: volumes.map(({ id: _, ...mount }) => mount) } : {}),
    metadata,
    onTimeout,
    keepMemory,
    autoResume,
    warm,
    ...(runtime ? { runtime } : {}),
    ...(memory ? { memory } : {}),
    ...(endReason ? { endReason } : {}),
    createdAt: sandbox.createdAt.toISOString(),
    expiresAt: sandbox.expiresAt.toISOString(),
    ports: {
      urlTemplate: places.ofPort(id, '{port}'),
      pathTemplate: `/v1/sandboxes/${id}/ports/{port}/`,
    },
  }
}
