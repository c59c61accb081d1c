import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atomicWrite } from '../../../lib/atomic-write.ts'
import { isAccessible } from '../../../lib/is-accessible.ts'
import { runCommand } from '../../../lib/run-command.ts'
import type { Host } from '../../host/host.ts'

/** How gVisor gets hold of a program's system calls: systrap everywhere, KVM where the hardware really runs it. */
export type GvisorPlatform = 'systrap' | 'kvm'

/** On real hardware it takes a tenth of this. Elsewhere the device may be there, open, and never boot anything. */
const bootDeadlineMs = 1500

const chosen = new WeakMap<Host, GvisorPlatform>()

/** What `choosePlatform` has found for this host; systrap before that. */
export function platformOf(host: Host): GvisorPlatform {
  return chosen.get(host) ?? 'systrap'
}

/** Boots a sandbox by KVM, within a deadline, and remembers the verdict until the next boot of this machine. */
export async function choosePlatform(host: Host, runsc: string): Promise<void> {
  if (chosen.has(host)) return
  const device = await isAccessible('/dev/kvm')
  const file = verdictFile(host)
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const known = await readVerdict(file)
  if (!device || known?.bootId === bootId) {
    chosen.set(host, device && known ? known.platform : 'systrap')
    return
  }
  const platform = (await boots(runsc)) ? 'kvm' : 'systrap'
  chosen.set(host, platform)
  await atomicWrite(file, JSON.stringify({ bootId, platform }))
}

/** A sandbox of ours did not start by KVM although a plain one did: no more of it until the next boot. */
export async function distrustKvm(host: Host): Promise<void> {
  if (platformOf(host) !== 'kvm') return
  chosen.set(host, 'systrap')
  const known = await readVerdict(verdictFile(host))
  if (known) await atomicWrite(verdictFile(host), JSON.stringify({ ...known, platform: 'systrap' }))
}

async function boots(runsc: string): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-kvm-'))
  try {
    const { ok } = await runCommand(
      [
        // What hangs is killed as a whole: the sandbox's processes end with their pid namespace.
        ...(['unshare', '--pid', '--mount', '--fork', '--kill-child=KILL', '--mount-proc', runsc] as const),
        ...['--root', folder, '--platform', 'kvm', '--network', 'none', '--ignore-cgroups', 'do', 'true'],
      ],
      { timeoutMs: bootDeadlineMs, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TMPDIR: folder } },
    )
    return ok
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

const verdictFile = (host: Host) => join(host.imagesDir, 'gvisor-platform.json')

async function readVerdict(file: string): Promise<{ bootId: string; platform: GvisorPlatform } | undefined> {
  try {
    const verdict = JSON.parse(await readFile(file, 'utf8')) as { bootId: string; platform: GvisorPlatform }
    return verdict.platform === 'kvm' || verdict.platform === 'systrap' ? verdict : undefined
  } catch {
    return undefined
  }
}
