import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAccessible } from '../../../lib/is-accessible.ts'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
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
  const folder = join(host.imagesDir, 'gvisor-platform.probe')
  const platform = (await step('kvm.probe', folder, () => boots(runsc, folder))) ? 'kvm' : 'systrap'
  chosen.set(host, platform)
  await writeVerdict(host, { bootId, platform })
}

/** A sandbox of ours did not start by KVM although a plain one did: no more of it until the next boot. */
export async function distrustKvm(host: Host): Promise<void> {
  if (platformOf(host) !== 'kvm') return
  chosen.set(host, 'systrap')
  const known = await readVerdict(verdictFile(host))
  if (known) await writeVerdict(host, { ...known, platform: 'systrap' })
}

/** In a folder that a later attempt finds again, if we are killed before it is removed. */
async function boots(runsc: string, folder: string): Promise<boolean> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  await mkdir(folder)
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

interface Verdict {
  bootId: string
  platform: GvisorPlatform
}

function writeVerdict(host: Host, verdict: Verdict): Promise<void> {
  const file = verdictFile(host)
  // Cut off by a crash it says nothing, and it is looked for again.
  return step('kvm.verdict', file, () => writeFile(file, JSON.stringify(verdict)))
}

const verdictFile = (host: Host) => join(host.imagesDir, 'gvisor-platform.json')

async function readVerdict(file: string): Promise<Verdict | undefined> {
  try {
    const verdict = JSON.parse(await readFile(file, 'utf8')) as Verdict
    return verdict.platform === 'kvm' || verdict.platform === 'systrap' ? verdict : undefined
  } catch {
    return undefined
  }
}
