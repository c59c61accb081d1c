import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Kernel settings by which a distribution or an administrator forbids namespaces to ordinary users. */
const switches = [
  { name: 'kernel.unprivileged_userns_clone', forbids: '0', allow: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: '1', allow: '0' },
  ...['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'].map((kind) => ({
    name: `user.max_${kind}_namespaces`,
    forbids: '0',
    allow: '10000',
  })),
]

/** Why this kernel refuses namespaces and how to change that, as sentences; empty if no setting does. */
export async function forbiddingSwitches(sysctls = '/proc/sys'): Promise<string> {
  const values = await Promise.all(
    switches.map(({ name }) => readFile(join(sysctls, name.replaceAll('.', '/')), 'utf8').catch(() => '')),
  )
  const forbidding = switches.filter(({ forbids }, index) => values[index]?.trim() === forbids)
  if (forbidding.length === 0) return ''
  const found = forbidding.map(({ name, forbids }) => `${name} is ${forbids}`).join(' and ')
  const change = forbidding.map(({ name, allow }) => `${name}=${allow}`).join(' ')
  const settings = forbidding.length === 1 ? 'the kernel setting' : 'the kernel settings'
  return `${settings} ${found}, which forbids namespaces; an administrator allows them by: sudo sysctl -w ${change} (a line in /etc/sysctl.d keeps it)`
}
