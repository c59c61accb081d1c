import type { AuditLog } from '../../../audit/audit-log.ts'
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
  'POST /process.Process/SendSignal': ['process.signal', true],
  'POST /filesystem.Filesystem/Stat': ['file.stat', false],
  'POST /filesystem.Filesystem/ListDir': ['file.list', false],
  'POST /filesystem.Filesystem/MakeDir': ['file.make_directory', true],
  'POST /filesystem.Filesystem/Move': ['file.move', true],
  'POST /filesystem.Filesystem/Remove': ['file.remove', true],
  'POST /filesystem.Filesystem/WatchDir': ['file.watch', false],
  'POST /filesystem.Filesystem/CreateWatcher': ['file.watch', false],
}

/** Records a call by who has the token of a sandbox. */
export function audited(audit: AuditLog, live: LiveSandbox, exchange: Exchange): void {
  const { request, url } = exchange
  const asked = `${request.method} ${url.pathname}`
  if (!Object.hasOwn(verbs, asked)) return
  const [action, first] = verbs[asked]!
  const path = url.searchParams.get('path')
  const { id, accountId } = live
  const about = { accountId, actorKind: 'token', actor: id, action, subject: id, first }
  auditInside(audit, path === null ? about : { ...about, details: { path } }, exchange)
}
