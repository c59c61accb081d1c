import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export const namespaceKinds = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'] as const
export type NamespaceKind = (typeof namespaceKinds)[number]

/** What a kernel says of a process, by either side's /proc. */
export interface ProcessStatus {
  /** Its number as it sees it itself. */
  ownPid: number
  /** Real, effective, saved and file system user, each once. */
  uids: number[]
  /** All that it has or may get. */
  capabilities: bigint
  noNewPrivileges: boolean
  /** 0 none, 1 strict, 2 filter. */
  seccomp: number
}

/** What the host's /proc says of one process that runs a sandbox. */
export interface HostProcess extends ProcessStatus {
  pid: number
  threads: number
  /** Threads without a filter of system calls. */
  unfilteredThreads: number
  /** Ranges of host uids behind those inside. */
  uidMap: { host: number; count: number }[]
  /** Whether the users in it are not those of the host. */
  hasOwnUsers: boolean
  /** Kinds of namespaces that it shares with the host. Undefined where only root may see it. */
  sharedNamespaces: NamespaceKind[] | undefined
  /** Open files of the host that lie in no mount of its own. Undefined where only root may see it. */
  foreignFiles: string[] | undefined
  /** Paths of its control groups, by controller; the empty name is version 2's. */
  controlGroups: Record<string, string>
}

/** Looks at a process from outside. Undefined when it has ended. */
export function lookAt(pid: number): HostProcess | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const uidMap = readFileSync(`/proc/${pid}/uid_map`, 'utf8')
    return {
      pid,
      ...readStatus(readFileSync(`/proc/${pid}/status`, 'utf8')),
      threads: threads.length,
      unfilteredThreads: threads.filter((id) => isUnfiltered(`/proc/${pid}/task/${id}/status`)).length,
      uidMap: readUidMap(uidMap),
      hasOwnUsers: uidMap !== readFileSync('/proc/self/uid_map', 'utf8'),
      sharedNamespaces: ifAllowed(() =>
        namespaceKinds.filter((kind) => namespace(pid, kind) === namespace('self', kind)),
      ),
      foreignFiles: ifAllowed(() => foreignFiles(pid)),
      controlGroups: controlGroups(readFileSync(`/proc/${pid}/cgroup`, 'utf8')),
    }
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** The kernel keeps some things of a process, such as the agent, even from its own user. */
function ifAllowed<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined
    throw error
  }
}

export function readStatus(text: string): ProcessStatus {
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1] ?? ''
  const capabilities = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => BigInt(`0x${field(name) || 0}`))
  return {
    ownPid: Number(field('NSpid').split('\t').at(-1) || field('Pid')),
    uids: [...new Set(field('Uid').split('\t').map(Number))],
    capabilities: capabilities.reduce((all, some) => all | some, 0n),
    noNewPrivileges: field('NoNewPrivs') === '1',
    seccomp: Number(field('Seccomp')),
  }
}

function readUidMap(text: string): HostProcess['uidMap'] {
  const rows = text.trim().split('\n').filter(Boolean)
  return rows.map((row) => {
    const [, host, count] = row.trim().split(/\s+/).map(Number)
    return { host: host!, count: count! }
  })
}

function isUnfiltered(statusFile: string): boolean {
  try {
    return readStatus(readFileSync(statusFile, 'utf8')).seccomp !== 2
  } catch {
    return false // the thread has ended
  }
}

function namespace(pid: number | 'self', kind: NamespaceKind): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`)
}

/** A descriptor knows the mount it was opened through. One that the process does not have came from outside. */
function foreignFiles(pid: number): string[] {
  const mounts = new Set(
    readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
      .split('\n')
      .map((line) => line.split(' ', 1)[0]),
  )
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`)
      const mount = /^mnt_id:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1]
      const isHarmless = !target.startsWith('/') || target === '/dev/null' || target.startsWith('/memfd:')
      return isHarmless || mounts.has(mount) ? [] : [target]
    } catch {
      return [] // closed in the meantime
    }
  })
}

function controlGroups(text: string): Record<string, string> {
  const rows = text.trim().split('\n')
  return Object.fromEntries(
    rows.flatMap((row) => {
      const [, names = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(row) ?? []
      return names.split(',').map((name) => [name, path])
    }),
  )
}
