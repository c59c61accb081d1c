import type { HazardName } from '../hazard.ts'
import { hazardOfReading, hazardOfWriting, isDisk, isRoot, namesMetadata } from '../sensitive-places.ts'
import { isKnown } from './scope.ts'
import { shells } from './unwrap.ts'

/** What a command does by its name and arguments alone. */
export function hazardsOfArguments([name = '', ...args]: readonly string[]): HazardName[] {
  const found: HazardName[] = []
  const own = Object.hasOwn(byName, name) ? byName[name]!(args) : undefined
  if (own) found.push(own)
  if (/^mkfs|^mke2fs$|^wipefs$|^blkdiscard$|^sgdisk$|^sfdisk$|^mkswap$/.test(name)) found.push('overwrite-disk')
  if (/xmrig|minerd|cpuminer|ethminer|nbminer/.test(name) || args.some((arg) => /^stratum\+\w+:\/\//.test(arg)))
    found.push('mining')
  const writes = writtenBy(name, args).map(hazardOfWriting)
  for (const hazard of writes) if (hazard) found.push(hazard)
  if (!harmlessReaders.has(name))
    for (const arg of args) {
      const hazard = hazardOfReading(arg.replace(/^[^/~]*[@=](?=[/~])/, ''))
      if (hazard) found.push(hazard)
    }
  if (senders.has(name) && args.some(namesMetadata)) found.push('cloud-metadata')
  if (args.some((arg) => /^\/inet6?\/(tcp|udp)\//.test(arg) || /\/inet6?\/tcp\//.test(arg))) found.push('reverse-shell')
  return found
}

/** They speak to the network. */
export const senders = new Set([
  ...['curl', 'wget', 'nc', 'ncat', 'netcat', 'socat', 'telnet', 'ssh', 'scp', 'sftp', 'rsync', 'ftp', 'http', 'https'],
  ...['mail', 'sendmail', 'dig', 'nslookup', 'host', 'openssl', 'aws', 'rclone'],
])

/** That they are told of a key shows it to nobody. */
const harmlessReaders = new Set([
  ...[
    'ssh',
    'ssh-keygen',
    'ssh-add',
    'ssh-copy-id',
    'chmod',
    'chown',
    'ls',
    'stat',
    'test',
    '[',
    'rm',
    'mkdir',
    'touch',
  ],
  ...['git', 'echo', 'printf', 'find', 'export', 'cd', 'du'],
])

const byName: Record<string, (args: string[]) => HazardName | undefined> = {
  rm: removed,
  rmdir: (args) => (args.some(isRoot) ? 'remove-root' : undefined),
  shred: (args) => (args.some(isDisk) ? 'overwrite-disk' : args.some(isRoot) ? 'remove-root' : undefined),
  mv: (args) => (plain(args).slice(0, -1).some(isRoot) ? 'remove-root' : undefined),
  find: (args) => {
    const isFiltered = args.some((arg) =>
      /^-(i?name|i?path|i?regex|mtime|mmin|atime|size|newer|empty|user|perm)$/.test(arg),
    )
    return args.includes('-delete') && !isFiltered && isRoot(args[0] ?? '.') ? 'remove-root' : undefined
  },
  dd: (args) => (args.some((arg) => /^of=/.test(arg) && isDisk(arg.slice(3))) ? 'overwrite-disk' : undefined),
  fdisk: (args) => (args.includes('-l') ? undefined : 'overwrite-disk'),
  parted: (args) => (args.includes('-l') || args.includes('print') ? undefined : 'overwrite-disk'),
  chmod: (args) => {
    const [mode = '', ...paths] = plain(args)
    const all = /^[0-7]?777$|^a?[+=]rwx$|o\+\w*w/.test(mode)
    if (/^[2-7][0-7]{3}$|[ug]?\+\w*s/.test(mode)) return 'open-permissions'
    return (all && (isRecursive(args) || paths.some(isRoot))) || (isRecursive(args) && paths.some(isRoot))
      ? 'open-permissions'
      : undefined
  },
  chown: (args) => (isRecursive(args) && plain(args).slice(1).some(isRoot) ? 'open-permissions' : undefined),
  setcap: () => 'open-permissions',
  nc: netcat,
  ncat: netcat,
  netcat,
  socat: (args) =>
    args.some((arg) => /^(exec|system):/i.test(arg)) && args.some((arg) => /^(tcp|udp|openssl|ssl)/i.test(arg))
      ? 'reverse-shell'
      : undefined,
  history: (args) => (args.some((arg) => /^-[cdw]/.test(arg)) ? 'hidden-history' : undefined),
  unset: (args) => (args.some((arg) => /^HIST/.test(arg)) ? 'hidden-history' : undefined),
  set: (args) => (args.join(' ').includes('+o history') ? 'hidden-history' : undefined),
  shopt: (args) => (args.includes('-u') && args.includes('histappend') ? 'hidden-history' : undefined),
  journalctl: (args) =>
    args.some((arg) => arg.startsWith('--vacuum') || arg === '--rotate') ? 'hidden-history' : undefined,
  crontab: (args) => (args.includes('-l') ? undefined : 'lasting-foothold'),
  at: () => 'lasting-foothold',
  systemctl: (args) => {
    if (args.some((arg) => /^(enable|link)$/.test(arg))) return 'lasting-foothold'
    if (args.some((arg) => /^(poweroff|reboot|halt|kexec)$/.test(arg))) return 'kill-all'
    return args.some((arg) => /^(stop|disable|mask)$/.test(arg)) &&
      /firewalld|ufw|apparmor|auditd|fail2ban/.test(args.join(' '))
      ? 'security-off'
      : undefined
  },
  useradd: () => 'lasting-foothold',
  usermod: () => 'lasting-foothold',
  setenforce: () => 'security-off',
  ufw: (args) => (args.includes('disable') ? 'security-off' : undefined),
  iptables: (args) => (args.some((arg) => /^(-F|--flush|-X|-P)$/.test(arg)) ? 'security-off' : undefined),
  nft: (args) => (args.includes('flush') ? 'security-off' : undefined),
  kill: (args) => (args.at(-1) === '-1' && args.length > 1 ? 'kill-all' : undefined),
  killall5: () => 'kill-all',
  reboot: () => 'kill-all',
  shutdown: () => 'kill-all',
  poweroff: () => 'kill-all',
  halt: () => 'kill-all',
  init: (args) => (/^[06]$/.test(args[0] ?? '') ? 'kill-all' : undefined),
  sysctl: (args) =>
    args.some((arg) => arg === '-w' || arg === '-p' || /^[\w.]+=/.test(arg)) ? 'kernel-setting' : undefined,
  insmod: () => 'kernel-setting',
  modprobe: () => 'kernel-setting',
  kexec: () => 'kernel-setting',
  nsenter: () => 'sandbox-escape',
  unshare: (args) => (args.some((arg) => /^-\w*[Ur]|--user|--map-root/.test(arg)) ? 'sandbox-escape' : undefined),
  mount: (args) =>
    args.some((arg) => isDisk(arg) || /^(cgroup|proc|sysfs|debugfs)$/.test(arg)) ? 'sandbox-escape' : undefined,
  debugfs: () => 'sandbox-escape',
  docker: container,
  podman: container,
  ngrok: () => 'tunnel',
  cloudflared: () => 'tunnel',
  chisel: () => 'tunnel',
  frpc: () => 'tunnel',
  bore: () => 'tunnel',
  tor: () => 'tunnel',
  ssh: (args) => (args.some((arg) => /^-[A-Za-z]*[RDw]/.test(arg)) ? 'tunnel' : undefined),
  pip: pip,
  pip3: pip,
  uv: (args) => (args.includes('install') || args.includes('add') ? pip(args) : undefined),
  pipx: pip,
  npm: npm,
  pnpm: npm,
  yarn: npm,
  npx: (args) => (args.some(isAddress) ? 'package-from-url' : undefined),
  gem: (args) => (args.some((arg) => /^(-s|--source)$/.test(arg)) ? 'package-from-url' : undefined),
  cargo: (args) => (args.includes('install') && args.includes('--git') ? 'package-from-url' : undefined),
  dpkg: (args) => (args.some((arg) => /^(-i|--install)$/.test(arg)) ? 'package-from-url' : undefined),
  rpm: (args) => (args.some(isAddress) ? 'package-from-url' : undefined),
  apt: (args) =>
    args.some((arg) => /^(--allow-unauthenticated|--force-yes)$/.test(arg)) ? 'package-from-url' : undefined,
  'apt-get': (args) =>
    args.some((arg) => /^(--allow-unauthenticated|--force-yes)$/.test(arg)) ? 'package-from-url' : undefined,
  'add-apt-repository': () => 'package-from-url',
  curl: (args) => (args.some((arg) => /^(-\w*k\w*|--insecure)$/.test(arg)) ? 'unchecked-tls' : undefined),
  wget: (args) => (args.includes('--no-check-certificate') ? 'unchecked-tls' : undefined),
  git: (args) => {
    if (
      args.includes('config') &&
      args.some((arg) => /^core\.(hookspath|fsmonitor|sshcommand|pager|editor)$/i.test(arg))
    )
      return args.length > 2 && !args.includes('--unset') && !args.includes('--get') ? 'lasting-foothold' : undefined
    if (args.includes('clean') && args.some((arg) => /^-\w*f/.test(arg))) return 'work-lost'
    if (args.includes('reset') && args.includes('--hard')) return 'work-lost'
    return args.includes('push') && args.some((arg) => /^(-f|--force|--mirror)$/.test(arg)) ? 'work-lost' : undefined
  },
}

function removed(args: string[]): HazardName | undefined {
  if (args.includes('--no-preserve-root')) return 'remove-root'
  if (!isRecursive(args)) return undefined
  const targets = plain(args)
  if (targets.some((target) => isKnown(target) && isRoot(target))) return 'remove-root'
  return targets.some(
    (target) =>
      !isKnown(target[0] ?? '') ||
      (/^[/~]\/?./.test(target) && !isKnown(target.replace(/^[/~]\/?/, '')[0] ?? '')) ||
      /^(\.|\.\/?\*|\*|\.\.(\/.*)?)$/.test(target),
  )
    ? 'remove-all'
    : undefined
}

function netcat(args: string[]): HazardName | undefined {
  if (args.some((arg) => /^-\w*[ec]$|^--(exec|sh-exec|lua-exec)/.test(arg))) return 'reverse-shell'
  return args.some((arg) => /^-\w*l/.test(arg)) ? 'raw-socket' : undefined
}

function container(args: string[]): HazardName | undefined {
  const line = args.join(' ')
  return /--privileged|--pid[= ]host|--cap-add|(-v|--volume|--mount)[= ]?\S*(source=)?\/(:|,|\s)|docker\.sock/.test(
    line,
  )
    ? 'sandbox-escape'
    : undefined
}

function pip(args: string[]): HazardName | undefined {
  if (!args.includes('install') && !args.includes('add')) return undefined
  const elsewhere = args.some((arg) =>
    /^(-i|--index-url|--extra-index-url|--trusted-host|-f|--find-links)(=|$)/.test(arg),
  )
  return elsewhere || args.some(isAddress) ? 'package-from-url' : undefined
}

function npm(args: string[]): HazardName | undefined {
  if (!args.some((arg) => /^(i|install|add|ci|exec|dlx)$/.test(arg))) return undefined
  return args.some((arg) => isAddress(arg) || /^--registry/.test(arg)) ? 'package-from-url' : undefined
}

function isAddress(arg: string): boolean {
  return /(^|@\s*|\+)(https?|git|ssh|ftp|git\+\w+):\/\/|^(github|gitlab|bitbucket):|^git@/.test(arg)
}

/** Files that a command makes or changes. */
function writtenBy(name: string, args: readonly string[]): string[] {
  const files = plain(args)
  if (name === 'tee' || name === 'truncate' || name === 'chattr') return files
  if (name === 'cp' || name === 'mv' || name === 'install' || name === 'ln' || name === 'rsync' || name === 'scp')
    return files.slice(-1)
  if (name === 'sed' && args.some((arg) => /^-\w*i|^--in-place/.test(arg))) return files.slice(1)
  if (name === 'dd') return args.filter((arg) => arg.startsWith('of=')).map((arg) => arg.slice(3))
  if (name === 'curl' || name === 'wget')
    return args.filter((_, at) => /^(-\w*[oO]|--output|--output-document)$/.test(args[at - 1] ?? ''))
  return []
}

function isRecursive(args: readonly string[]): boolean {
  return args.some((arg) => /^-[a-zA-Z]*[rR]|^--recursive$/.test(arg))
}

function plain(args: readonly string[]): string[] {
  return args.filter((arg) => !arg.startsWith('-'))
}

/** Of several commands that are connected, whether one is a shell and another speaks to the network in both directions. */
export function isShellOnNetwork(names: readonly string[]): boolean {
  const after = (network: RegExp) =>
    names.some((name, at) => network.test(name) && names.some((one, other) => other < at && shells.test(one)))
  const before = names.some(
    (name, at) => /^(nc|ncat|netcat|socat|telnet)$/.test(name) && names.slice(at + 1).some((one) => shells.test(one)),
  )
  return before || after(/^(nc|ncat|netcat|socat|telnet|openssl)$/)
}
