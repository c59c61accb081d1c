import { mkdir } from 'node:fs/promises'
import { step } from '../../../lib/step.ts'
import { type NamespaceTool, seccompFd } from './namespace-tool.ts'

/** The user namespace comes first, by itself: the network's settings belong to its root only if it is mapped by then. */
const asRoot = ['unshare', '--map-root-user', 'unshare', '--mount', '--pid', '--fork', '--kill-child'] as const
const others = ['--ipc', '--uts', '--cgroup'] as const
const asUser = [
  ...['unshare', '--map-user=1000', '--map-group=1000', '--keep-caps'],
  ...['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'],
] as const

/**
 * util-linux, for hosts without bubblewrap. A shell, root in a user namespace of its own, makes the root; then a second
 * user namespace inside the first, in which there is uid 1000 and nobody owns a mount or the network.
 */
export const unshare: NamespaceTool = {
  async examine(run) {
    const version = await run(['unshare', '--version'])
    if (!version.ok) return { usable: false, reason: `unshare ${version.failure}` }
    const setpriv = await run(['setpriv', '--version'])
    if (!setpriv.ok) return { usable: false, reason: `setpriv ${setpriv.failure}` }
    const { ok, failure } = await run([...asRoot, '--net', ...others, '--mount-proc', ...asUser, 'true'])
    return ok
      ? { usable: true, description: version.stdout.trim().replace(' from ', ' of ') }
      : { usable: false, reason: `unshare ${failure}` }
  },

  async plan({ id, limits, rootfs, network }, { root, guestBinary, agentOptions }) {
    if (!root.prepared) await step('folder.make', id, () => mkdir(root.path, { recursive: true }))
    const made = root.prepared ? ['', '', ''] : [String(limits.diskMb), rootfs.skeleton, guestBinary]
    const own = network ? [] : ['--net']
    const argv = [...asRoot, ...own, ...others, 'sh', '-euc', script, 'root', root.path, ...made, own.join('')]
    argv.push(...(root.prepared ? [] : rootfs.readOnly), '--')
    argv.push(...asUser, '/.warren/guest', 'agent', ...agentOptions, '--seccomp-fd', String(seccompFd))
    return { argv, open: [] }
  },
}

/**
 * sh -c SCRIPT NAME ROOT SIZE SKELETON GUEST NET READ-ONLY… -- COMMAND…
 *
 * What is bound into the root becomes read-only only when the root is all there is: then no path has to be looked for
 * among those of the host. Remounting must keep nosuid, nodev and noexec, which the user namespace may not take away.
 */
const script = `
root=$1 size=$2 skeleton=$3 guest=$4 net=$5
shift 5
if [ "$size" ]; then
  mount -t tmpfs -o "size=$size"m,nr_inodes=$((size * 64 + 16384)),mode=755,nosuid,nodev,noatime tmpfs "$root"
  cp -dR --preserve=mode "$skeleton/." "$root"
  rm -f "$root/.owners"
  mount --bind "$skeleton/etc" "$root/etc"
  mount --bind "$guest" "$root/.warren/guest"
else
  mount --rbind "$root" "$root"
fi
while [ "$1" != -- ]; do
  mount --rbind "$1" "$root$1"
  shift
done
shift
cd "$root"

if [ "$net" ]; then
  mount -t sysfs sysfs sys
  echo 1 > sys/class/net/lo/flags
  umount sys
fi

mount -t proc -o nosuid,nodev,noexec proc proc
mount -t tmpfs -o size=64k,mode=755,nosuid,noexec tmpfs dev
for name in null zero full random urandom tty; do
  : > "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,max=256,nosuid,noexec devpts dev/pts
mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

pivot_root . mnt
umount -l mnt
echo 1 > proc/sys/user/max_user_namespaces
for name in bus irq sys sysrq-trigger; do
  if [ -e "proc/$name" ]; then mount --bind "proc/$name" "proc/$name"; fi
done
for name in keys key-users; do
  if [ -e "proc/$name" ]; then mount --bind dev/null "proc/$name"; fi
done
read -r boot_id < proc/sys/kernel/random/uuid
echo "$boot_id" > dev/.boot_id
mount --bind dev/.boot_id proc/sys/kernel/random/boot_id
rm dev/.boot_id
while read -r _ _ _ _ point options _; do
  flags=ro,nosuid,nodev
  case $point in
    /proc | /dev/?*) continue ;;
    /dev) flags=ro,nosuid ;;
    /) flags=nosuid,nodev ;;
  esac
  case ,$options, in *,noexec,*) flags=$flags,noexec ;; esac
  mount -n -o "remount,bind,$flags" none "$(printf %b "$point")"
done < proc/self/mountinfo

hostname sandbox
exec env -i "PATH=$PATH" "$@"
`
