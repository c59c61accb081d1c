import { type Static, Type } from 'typebox'
import { isolations } from '../engine/driver.ts'
import { checkNames } from '../engine/posture/judge.ts'
import { runningInstance } from './running.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

const PostureCheck = Type.Object({
  name: Type.Enum([...checkNames]),
  ok: Type.Boolean(),
  expected: Type.String(),
  outside: Type.Optional(Type.String({ description: "What the host's /proc says of the processes that run it." })),
  inside: Type.Optional(Type.String({ description: 'What a program in the sandbox finds about itself.' })),
})

export const SandboxPosture = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    instance: Type.String({ description: 'What runs it on the host: the name of its folder and its control group.' }),
    driver: Type.String(),
    isolation: Type.Enum([...isolations]),
    ok: Type.Boolean({ description: 'All checks are.' }),
    processes: Type.Integer({ description: 'Processes of the host that run it.' }),
    threads: Type.Integer(),
    checks: Type.Array(PostureCheck),
  },
  { $id: 'SandboxPosture', description: 'How a sandbox is kept from its host, measured from both sides.' },
)
export type SandboxPosture = Static<typeof SandboxPosture>

/** Measures how a running sandbox is kept from this host. */
export async function readPosture(deps: SandboxDeps, subject: Subject, signal: AbortSignal): Promise<SandboxPosture> {
  const instance = await runningInstance(deps, subject.account, subject.id)
  const { checks, processes, threads } = await deps.engine.posture(instance, signal)
  const { name: driver, isolation } = instance.driver
  const ok = checks.every((check) => check.ok)
  return { at: deps.now().toISOString(), driver, isolation, ok, instance: instance.id, processes, threads, checks }
}
