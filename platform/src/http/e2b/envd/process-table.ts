import type { GuestClient, GuestProcessInfo } from '../../../engine/guest/client.ts'
import type { Read } from '../../rpc/message.ts'
import { RpcError } from '../../rpc/rpc-error.ts'
import type { ProcessSelector } from './process-messages.ts'

/** What a caller said when it started a process. Kept by the guest as the tag of the process, so that it outlives us. */
interface Label {
  tag?: string | undefined
  cwd?: string | undefined
  envs: Record<string, string>
  stdin: boolean
}

export interface KnownProcess extends GuestProcessInfo {
  label: Label
}

/** Marks the tags that are ours. */
const prefix = 'e2b:'
/** Longer environments are not given back in lists. */
const mostEnvironment = 32 * 1024

export function labelOf(label: Label): string {
  const text = JSON.stringify(label)
  return prefix + (text.length <= mostEnvironment ? text : JSON.stringify({ ...label, envs: {} }))
}

/** The processes that were started through this door, the ended ones too as long as the guest knows them. */
export async function knownProcesses(guest: GuestClient): Promise<KnownProcess[]> {
  return (await guest.processes()).flatMap((process) => {
    const label = process.tag?.startsWith(prefix) ? readLabel(process.tag.slice(prefix.length)) : undefined
    return label ? [{ ...process, label }] : []
  })
}

/** Of several with this number or tag the one that runs, else the last. Throws `not_found`. */
export function selectProcess(
  processes: KnownProcess[],
  selector: Read<typeof ProcessSelector> | undefined,
): KnownProcess {
  const { pid, tag } = selector ?? {}
  if (pid === undefined && tag === undefined)
    throw new RpcError('invalid_argument', 'a process is named by its pid or its tag')
  const matching = processes.filter((process) => (pid === undefined ? process.label.tag === tag : process.pid === pid))
  const found = matching.findLast(({ state }) => state === 'running') ?? matching.at(-1)
  if (found) return found
  throw new RpcError(
    'not_found',
    pid === undefined ? `process with tag '${tag}' not found` : `process with pid ${pid} not found`,
  )
}

export async function runningProcess(
  guest: GuestClient,
  selector: Read<typeof ProcessSelector> | undefined,
): Promise<KnownProcess> {
  const running = (await knownProcesses(guest)).filter(({ state }) => state === 'running')
  return selectProcess(running, selector)
}

/** The tag comes back from a sandbox, which may have made another of it. */
function readLabel(text: string): Label | undefined {
  try {
    const { tag, cwd, envs, stdin } = JSON.parse(text) as Record<string, unknown>
    const entries = Object.entries((envs as object | null) ?? {}).filter(([, value]) => typeof value === 'string')
    return {
      ...(typeof tag === 'string' ? { tag } : {}),
      ...(typeof cwd === 'string' ? { cwd } : {}),
      envs: Object.fromEntries(entries),
      stdin: stdin === true,
    }
  } catch {
    return undefined
  }
}
