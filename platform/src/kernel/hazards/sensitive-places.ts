import { posix } from 'node:path'
import type { HazardName } from './hazard.ts'

/** Folders that a system, or everything of a user, is in. */
const roots =
  /^(\/|\/(bin|boot|data|dev|etc|home|lib(32|64)?|mnt|opt|proc|root|run|sbin|srv|sys|usr|var|workspace)|\/home\/[^/]+|\/usr\/(bin|lib|local|sbin|share)|\/var\/lib|~[\w-]*|\/home\/\*)$/

const credentials =
  /^(~|\/root|\/home\/[^/]+)\/(\.ssh(\/(id_[^/]*|[^/]*(_key|\.pem)|\*.*))?|\.aws(\/(credentials|config|\*))?|\.azure(\/.*)?|\.config\/(gcloud|gh|rclone|doctl)(\/.*)?|\.kube(\/config|\/\*)?|\.docker\/config\.json|\.netrc|\.git-credentials|\.npmrc|\.pypirc|\.gnupg(\/.*)?|\.pgpass|\.my\.cnf|\.vault-token|\.cargo\/credentials(\.toml)?|\.terraform\.d\/credentials.*|\.(bash|zsh|python|psql|node_repl)_history|\.mozilla(\/.*)?|\.config\/(google-chrome|chromium|BraveSoftware)(\/.*)?|\.password-store(\/.*)?)$|^\/etc\/(g?shadow-?|sudoers(\.d(\/.*)?)?|ssh\/ssh_host_[^/]*_key|krb5\.keytab)$|^\/proc\/[^/]+\/(environ|mem)$|^(\/var)?\/run\/secrets(\/.*)?$|(^|\/)(id_(rsa|dsa|ecdsa|ed25519)|kubeconfig|service-account[^/]*\.json)$/

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

/** `path` without `..`, double slashes and what stands for the home. */
export function placeOf(path: string): string {
  const home = path.replace(/^file:\/\//, '').replace(/^(\$HOME|\$\{HOME\}|%h)(?=\/|$)/, '~')
  const plain = home.startsWith('~') ? posix.normalize(home) : posix.normalize(home || '.')
  return plain.length > 1 ? plain.replace(/\/$/, '') : plain
}

export function isRoot(path: string): boolean {
  return roots.test(placeOf(path).replace(/\/(\*|\.\[\^\.\]\*|\.\*|\{,\.\}\*)$/, '') || '/')
}

export function isDisk(path: string): boolean {
  return disks.test(placeOf(path))
}

/** What reading it is. */
export function hazardOfReading(path: string): HazardName | undefined {
  const place = placeOf(path)
  if (credentials.test(place)) return 'credential-file'
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

export function namesMetadata(text: string): boolean {
  return metadata.test(text)
}
