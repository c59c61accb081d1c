import type { AuditLog } from '../../../audit/audit-log.ts'
import type { Instance } from '../../../engine/engine.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import { auditInside } from '../../audit-inside.ts'
import type { Exchange } from './call.ts'

/** The verb of each call that is recorded, and whether it stands in the log before it has an effect. */
const verbs: Record<string, [action: string, first: boolean]> = {
  'GET /files': ['file.read', false],
  'HEAD /files': ['file.stat', false],
  'POST /files': ['file.write', true],
  'POST /files/compose': ['file.write', true],
  'POST /process.Process/Start': ['process.start', true],
  'POST /process.Process/Connect': ['process.read_output', false],
  'POST /process.Process/SendInput': ['process.write_input', true],
  'POST /process.Process/StreamInput': ['process.write_input', true],
  'POST /process.Process/CloseStdin': ['process.close_input', true],
  'POST /process.Process/SendSignal': ['process.signal', true],
  'POST /filesystem.Filesystem/Stat': ['file.stat', false],
  'POST /filesystem.Filesystem/ListDir': ['file.list', false],
  'POST /filesystem.Filesystem/MakeDir': ['file.make_directory', true],
  'POST /filesystem.Filesystem/Move': ['file.move', true],
  'POST /filesystem.Filesystem/Remove': ['file.remove', true],
  'POST /filesystem.Filesystem/WatchDir': ['file.watch', false],
  'POST /filesystem.Filesystem/CreateWatcher': ['file.watch', false],
}

/** Each key that is typed is a call: one of them in so long is recorded, for each sandbox. */
const inputEveryMs = 60_000
const lastInputAt = new WeakMap<Instance, number>()

/** Records a call by who has the token of a sandbox, or by anyone where it needs none. */
export function audited(
  audit: AuditLog,
  { live, by }: { live: LiveSandbox; by: 'token' | 'anyone' },
  exchange: Exchange,
): void {
  const { request, url } = exchange
  const asked = `${request.method} ${url.pathname}`
  if (!Object.hasOwn(verbs, asked)) return
  const [action, first] = verbs[asked]!
  if (asked.endsWith('/SendInput') && !isDue(live.instance)) return
  const path = url.searchParams.get('path')
  const { id, accountId } = live
  const about = { accountId, actorKind: by, actor: id, action, subject: id, first }
  auditInside(audit, path === null ? about : { ...about, details: { path } }, exchange)
}

function isDue(instance: Instance): boolean {
  const now = performance.now()
  const last = lastInputAt.get(instance)
  if (last !== undefined && now - last < inputEveryMs) return false
  lastInputAt.set(instance, now)
  return true
}
