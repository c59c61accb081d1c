import { posix } from 'node:path'
import type { HazardName } from './hazard.ts'

/** Folders that a system, or everything of a user, is in. */
const roots =
  /^(\/|\/(bin|boot|data|dev|etc|home|lib(32|64)?|mnt|opt|proc|root|run|sbin|srv|sys|usr|var|workspace)|\/home\/[^/]+|\/usr\/(bin|lib|local|sbin|share)|\/var\/lib|~[\w-]*|\/home\/\*)$/

/** Some of these, and of files with secrets, that a pattern with placeholders is tried on. */
const systemFolders =
  '/bin /boot /dev /etc /home /lib /lib64 /mnt /opt /proc /root /run /sbin /srv /sys /usr /var /usr/bin /usr/lib /usr/local /usr/sbin /var/lib'.split(
    ' ',
  )
const secretFiles =
  '/etc/shadow /etc/gshadow /etc/sudoers ~/.ssh/id_rsa ~/.ssh/id_ed25519 /root/.ssh/id_rsa /root/.ssh/id_ed25519 /home/user/.ssh/id_rsa ~/.aws/credentials /root/.aws/credentials ~/.netrc ~/.git-credentials ~/.npmrc ~/.pypirc ~/.pgpass ~/.kube/config ~/.docker/config.json ~/.vault-token /proc/self/environ /run/secrets/token'.split(
    ' ',
  )

const credentials =
  /^(~|\/root|\/home\/[^/]+)\/(\.ssh(\/(id_[^/]*|[^/]*(_key|\.pem)|\*.*))?|\.aws(\/(credentials|config|\*))?|\.azure(\/.*)?|\.config\/(gcloud|gh|rclone|doctl)(\/.*)?|\.kube(\/config|\/\*)?|\.docker\/config\.json|\.netrc|\.git-credentials|\.npmrc|\.pypirc|\.gnupg(\/.*)?|\.pgpass|\.my\.cnf|\.vault-token|\.cargo\/credentials(\.toml)?|\.terraform\.d\/credentials.*|\.(bash|zsh|python|psql|node_repl)_history|\.mozilla(\/.*)?|\.config\/(google-chrome|chromium|BraveSoftware)(\/.*)?|\.password-store(\/.*)?)$|^\/etc\/(g?shadow-?|sudoers(\.d(\/.*)?)?|ssh\/ssh_host_[^/]*_key|krb5\.keytab)$|^\/proc\/[^/]+(\/task\/[^/]+)?\/(environ|mem)$|^(\/var)?\/run\/secrets(\/.*)?$|(^|\/)(id_(rsa|dsa|ecdsa|ed25519)|kubeconfig|service-account[^/]*\.json)$/

const footholds =
  /^(~|\/root|\/home\/[^/]+)\/(\.(bash_profile|bashrc|bash_login|bash_logout|profile|zshrc|zprofile|zshenv|kshrc|xinitrc|xprofile|pythonrc|inputrc)|\.config\/(fish\/config\.fish|autostart\/.*|systemd\/user\/.*)|\.ssh\/(authorized_keys2?|rc|config)|\.gitconfig)$|^\/etc\/(profile|bash\.bashrc|environment|rc\.local|crontab|inittab|anacrontab|profile\.d\/.*|cron[^/]*\/.*|init\.d\/.*|systemd\/.*|xdg\/autostart\/.*|update-motd\.d\/.*)$|^\/(usr\/)?lib\/systemd\/.*|^\/var\/spool\/cron.*|(^|\/)\.git\/(hooks\/.*|config)$|(^|\/)(sitecustomize|usercustomize)\.py$/

const injections = /^\/etc\/ld\.so\.(preload|conf(\.d\/.*)?)$/

const disks =
  /^\/dev\/([shv]d[a-z]+\d*|xvd[a-z]+\d*|nvme\d+(n\d+(p\d+)?)?|mmcblk\d+.*|loop\d+|dm-\d+|mapper\/.+|md\d+|mem|kmem|port|disk\/.*)$/

const escapes =
  /(^|\/)(docker|containerd|crio|podman)\.sock$|^\/sys\/fs\/cgroup\/.*(release_agent|notify_on_release)$|^\/proc\/(1|\d+|self|\*)\/(root|cwd|ns)(\/.*)?$|^\/proc\/(self|\d+)\/exe$|^\/dev\/(kvm|fuse|net\/tun)$/

const kernel = /^\/proc\/(sysrq-trigger|sys\/.+)$|^\/sys\/(kernel|module|firmware|power)\/.+/

const system = /^\/(bin|sbin|boot|lib(32|64)?|usr\/(s?bin|lib(32|64)?)|etc)\/.+/

const metadata =
  /\b169\.254\.169\.254\b|\b169\.254\.170\.2\b|\b100\.100\.100\.200\b|metadata\.google\.internal|fd00:ec2::254|\b2852039166\b|0xa9fea9fe\b|\b0251\.0376\.0251\.0376\b/i

const metadataHosts = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '100.100.100.200',
  '[::ffff:a9fe:a9fe]',
  '[::ffff:a9fe:aa02]',
  '[::ffff:6464:64c8]',
  '[fd00:ec2::254]',
])

/** `path` without `..`, double slashes and what stands for the home. */
export function placeOf(path: string): string {
  const home = path.replace(/^file:\/\//, '').replace(/^(\$HOME|\$\{HOME\}|%h)(?=\/|$)/, '~')
  const plain = home.startsWith('~') ? posix.normalize(home) : posix.normalize(home || '.')
  return plain.length > 1 ? plain.replace(/\/$/, '') : plain
}

export function isRoot(path: string): boolean {
  if (mayBe(path, systemFolders)) return true
  return roots.test(placeOf(path).replace(/\/(\*|\.\[\^\.\]\*|\.\*|\{,\.\}\*)$/, '') || '/')
}

export function isDisk(path: string): boolean {
  return disks.test(placeOf(path))
}

/** What reading it is. */
export function hazardOfReading(path: string): HazardName | undefined {
  const place = placeOf(path)
  if (credentials.test(place) || mayBe(place, secretFiles)) return 'credential-file'
  if (escapes.test(place)) return 'sandbox-escape'
  return undefined
}

/** What writing, making or changing it is. */
export function hazardOfWriting(path: string): HazardName | undefined {
  const place = placeOf(path)
  if (disks.test(place)) return 'overwrite-disk'
  if (injections.test(place)) return 'library-injection'
  if (footholds.test(place)) return 'lasting-foothold'
  if (escapes.test(place)) return 'sandbox-escape'
  if (kernel.test(place)) return 'kernel-setting'
  return system.test(place) ? 'system-file' : undefined
}

/** Whether it names a service that hands out the credentials of a machine, in whichever way its address is written. */
export function namesMetadata(text: string): boolean {
  if (metadata.test(text)) return true
  const hosts = [...text.matchAll(/(?:^|\/\/|@)(\[[\da-f:.]+\]|[\da-fx.]+)(?=[:/?#]|$)/gi)]
  return hosts.some(([, host]) => {
    const url = `http://${host}/`
    return URL.canParse(url) && metadataHosts.has(new URL(url).hostname)
  })
}

/** Whether a pattern of a shell with placeholders, from the root or the home on, stands for one of these. */
function mayBe(pattern: string, places: readonly string[]): boolean {
  if (!/^[/~].*[*?[]/s.test(pattern)) return false
  const parts = pattern.replace(/\[[^\]/]*\]/g, '?').split('/')
  // All that is in a folder is read for what it is, not for one file of it.
  if (/^[*?]*$/.test(parts.at(-1)!) && places === secretFiles) return false
  return places.some((place) => {
    const names = place.split('/')
    return names.length === parts.length && names.every((name, at) => matches(parts[at]!, name))
  })
}

/** One part of a path, in time that does not explode with the stars. */
function matches(pattern: string, name: string): boolean {
  if (/^[*?]/.test(pattern) && name.startsWith('.')) return false
  let [at, to, star, from] = [0, 0, -1, 0]
  while (to < name.length) {
    if (pattern[at] === '*') {
      star = at++
      from = to
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[to])) {
      at++
      to++
    } else if (star >= 0) {
      at = star + 1
      to = ++from
    } else return false
  }
  return /^\**$/.test(pattern.slice(at))
}
