import { WarrenError } from '../../errors.ts'
import type { GuestClient } from '../guest/client.ts'
import { type ProcessStatus, readStatus } from './outside.ts'

/** Files that tell or change the host's kernel. None of them may be of use inside. Reading one has no effect. */
const secret = ['/proc/kcore', '/proc/timer_list', '/proc/vmallocinfo', '/proc/slabinfo', '/dev/mem', '/dev/kvm']
const steering = [
  '/proc/sys/kernel/core_pattern',
  '/proc/sys/kernel/modprobe',
  '/proc/sys/vm/overcommit_memory',
  '/proc/sysrq-trigger',
  '/proc/irq/default_smp_affinity',
  '/sys/kernel/uevent_helper',
  '/sys/fs/cgroup/release_agent',
  '/sys/fs/cgroup/memory/release_agent',
]

/** What an ordinary program finds about itself in a sandbox. */
export interface InsideView extends ProcessStatus {
  descriptors: number
  /** Of `secret` and `steering`, what it could use. */
  usable: string[]
  processes: number
}

const script = `
cat /proc/$$/status
echo "descriptors $(ls /proc/self/fd | wc -l)"
echo "processes $(ls -d /proc/[0-9]* | wc -l)"
for file in ${secret.join(' ')}; do
  if [ "$(head -c 1 "$file" 2>/dev/null | wc -c)" = 1 ]; then echo "usable $file"; fi
done
for file in ${steering.join(' ')}; do
  if [ -w "$file" ]; then echo "usable $file"; fi
done
echo end
`

/**
 * Runs a program that looks at itself, and while it waits calls `meanwhile` for the same look from outside. Its answer is
 * the sandbox's own word: it may lie, which is why both are compared.
 */
export async function lookInside<T>(
  guest: GuestClient,
  meanwhile: () => Promise<T>,
  signal: AbortSignal,
): Promise<{ inside: InsideView; outside: T }> {
  const argv = ['/bin/sh', '-c', `${script}\nread -r line`]
  const process = await guest.exec({ argv, stdin: true, timeoutMs: 10_000 }, signal)
  try {
    let text = ''
    for await (const { data } of process.output()) {
      text = (text + data.toString('utf8')).slice(0, 65_536)
      if (text.endsWith('end\n')) return { inside: readView(text), outside: await meanwhile() }
    }
    throw new WarrenError('unavailable', 'the program that looks at the sandbox from inside did not answer', {
      hint: 'It needs /bin/sh, cat, head, ls and wc in the template.',
    })
  } finally {
    await guest.signal(process.id, 9).catch(() => {}) // it may have ended
    process.detach()
  }
}

function readView(text: string): InsideView {
  const count = (name: string) => Number(new RegExp(`^${name} +(\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return {
    ...readStatus(text),
    // The listing itself holds one.
    descriptors: count('descriptors') - 1,
    processes: count('processes'),
    usable: [...text.matchAll(/^usable (.*)$/gm)].map((match) => match[1]!),
  }
}
