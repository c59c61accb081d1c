import { capabilityNames, type Expectation } from './expectations.ts'
import type { InsideView } from './inside.ts'
import type { HostProcess } from './outside.ts'

export const checkNames = [
  'user_ids',
  'uid_map',
  'capabilities',
  'no_new_privileges',
  'seccomp',
  'namespaces',
  'descriptors',
  'masked_paths',
  'control_groups',
  'both_views',
] as const

/** One thing that was measured: what must be, and what is, from outside and as a program inside finds it. */
export interface PostureCheck {
  name: (typeof checkNames)[number]
  ok: boolean
  expected: string
  outside?: string
  inside?: string
}

export interface Views {
  outside: HostProcess[]
  inside: InsideView
  expected: Expectation
  /** Host uids below this belong to accounts of the host. 1 where we are no root and have but our own. */
  firstUid: number
  /** What the paths of its control groups must contain; undefined where none can be made. */
  controlGroup: string | undefined
}

/** Holds what was seen against what is expected. Nothing seen from outside is no proof and fails. */
export function judge(views: Views): PostureCheck[] {
  const checks = [userIds, uidMap, capabilities, noNewPrivileges, seccomp, namespaces, descriptors, maskedPaths]
  const judged = [...checks, controlGroups, bothViews].map((check) => check(views))
  const nothing = { ok: false, outside: 'no process of it was found on the host' }
  return views.outside.length === 0 ? judged.map((check) => ({ ...check, ...nothing })) : judged
}

function userIds({ outside, firstUid }: Views): PostureCheck {
  const uids = distinct(outside.flatMap((process) => process.uids))
  const expected = `none below ${firstUid}`
  return { name: 'user_ids', ok: uids.every((uid) => uid >= firstUid), expected, outside: uids.join(' ') }
}

function uidMap({ outside, expected, firstUid }: Views): PostureCheck {
  if (!expected.namespaces.includes('user'))
    return {
      name: 'uid_map',
      ok: true,
      expected: 'no user inside is one of the host',
      outside: 'users of another kernel',
    }
  const ranges = outside.flatMap((process) => process.uidMap)
  return {
    name: 'uid_map',
    ok: ranges.every(({ host }) => host >= firstUid),
    expected: `no host uid below ${firstUid} behind those inside`,
    outside: distinct(ranges.map(({ host, count }) => `${host}-${host + count - 1}`)).join(' '),
  }
}

function capabilities({ outside, inside, expected }: Views): PostureCheck {
  const has = outside.reduce((all, process) => all | process.capabilities, 0n)
  const within = (mask: bigint) => (mask & ~expected.capabilities) === 0n
  const own = outside.every(({ hasOwnUsers }) => hasOwnUsers)
  return {
    name: 'capabilities',
    ok: within(has) && (own || has === 0n) && (!expected.sharesKernel || within(inside.capabilities)),
    expected: expected.capabilities === 0n ? 'none' : `at most ${capabilityNames(expected.capabilities)}`,
    outside: capabilityNames(has),
    inside: capabilityNames(inside.capabilities),
  }
}

function noNewPrivileges({ outside, inside, expected }: Views): PostureCheck {
  const set = outside.filter(({ noNewPrivileges }) => noNewPrivileges).length
  return {
    name: 'no_new_privileges',
    ok: set === outside.length && (inside.noNewPrivileges || !expected.sharesKernel),
    expected: 'set for every process',
    outside: `set for ${set} of ${outside.length}`,
    inside: inside.noNewPrivileges ? 'set' : 'not set',
  }
}

function seccomp({ outside, inside, expected }: Views): PostureCheck {
  const threads = sum(outside.map((process) => process.threads))
  const unfiltered = sum(outside.map(({ unfilteredThreads }) => unfilteredThreads))
  return {
    name: 'seccomp',
    ok: unfiltered === 0 && (inside.seccomp === 2 || !expected.sharesKernel),
    expected: 'a filter on every thread',
    outside: `on ${threads - unfiltered} of ${threads} threads`,
    inside: expected.sharesKernel ? `mode ${inside.seccomp}` : 'calls end in a kernel of its own',
  }
}

function namespaces({ outside, expected }: Views): PostureCheck {
  const seen = outside.flatMap(({ sharedNamespaces }) => (sharedNamespaces ? [sharedNamespaces] : []))
  const shared = distinct(seen.flat())
  const hidden = outside.length - seen.length
  return {
    name: 'namespaces',
    ok: seen.length > 0 && expected.namespaces.every((kind) => !shared.includes(kind)),
    expected: `own ${expected.namespaces.join(' ')}`,
    outside:
      (shared.length === 0 ? 'shares none with the host' : `shares ${shared.join(' ')} with the host`) +
      (hidden > 0 ? `; ${hidden} of ${outside.length} processes can be looked at by root only` : ''),
  }
}

function descriptors({ outside, inside, expected }: Views): PostureCheck {
  // Another kernel's own processes hold the files that they serve.
  const foreign = expected.sharesKernel ? distinct(outside.flatMap(({ foreignFiles }) => foreignFiles ?? [])) : []
  return {
    name: 'descriptors',
    ok: foreign.length === 0 && inside.descriptors <= 3,
    expected: 'standard input and outputs, and no file of the host',
    outside: foreign.length === 0 ? 'no file of the host' : foreign.slice(0, 5).join(' '),
    inside: `${inside.descriptors}`,
  }
}

function maskedPaths({ inside, expected }: Views): PostureCheck {
  const usable = expected.sharesKernel ? inside.usable : []
  return {
    name: 'masked_paths',
    ok: usable.length === 0,
    expected: 'no file that tells or steers the kernel of the host can be used',
    inside: expected.sharesKernel ? usable.join(' ') || 'none' : 'those of a kernel of its own',
  }
}

function controlGroups({ outside, controlGroup }: Views): PostureCheck {
  if (controlGroup === undefined)
    return { name: 'control_groups', ok: true, expected: 'none, for this host lets us make none' }
  const limited = ['memory', 'cpu', 'pids']
  const paths = outside.flatMap((process) => {
    const version1 = limited.filter((name) => name in process.controlGroups)
    return (version1.length > 0 ? version1 : ['']).map((name) => process.controlGroups[name] ?? '/')
  })
  const astray = distinct(paths.filter((path) => !path.split('/').includes(controlGroup)))
  return {
    name: 'control_groups',
    ok: astray.length === 0,
    expected: `${controlGroup} for memory, processor and processes`,
    outside: astray.length === 0 ? 'every process is in it' : astray.join(' '),
  }
}

/** The program that looked inside is one of the processes outside, and both sides tell the same of it. */
function bothViews({ outside, inside, expected }: Views): PostureCheck {
  const name = 'both_views'
  if (!expected.sharesKernel) {
    const found = `${outside.length} processes of its kernel`
    return { name, ok: true, expected: 'the processes of a kernel of its own', outside: found }
  }
  const same = outside.find(
    ({ ownPid, sharedNamespaces }) => ownPid === inside.ownPid && sharedNamespaces?.length === 0,
  )
  const agrees =
    same !== undefined &&
    same.capabilities === inside.capabilities &&
    same.noNewPrivileges === inside.noNewPrivileges &&
    same.seccomp === inside.seccomp
  return {
    name,
    ok: agrees,
    expected: 'the same from both sides',
    outside: same ? `process ${same.pid}` : 'that process is not among those outside',
    inside: `process ${inside.ownPid} of ${inside.processes}`,
  }
}

function distinct<T>(values: T[]): T[] {
  return [...new Set(values)]
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
