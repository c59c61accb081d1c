import { readFile } from 'node:fs/promises'
import type { Instance } from '../../engine/engine.ts'
import { pipConf } from '../../engine/images/base.ts'
import { packagesFolder } from '../../engine/images/debian-packages.ts'
import type { Image } from '../../engine/images/images.ts'
import { BuildFailed } from './build-failed.ts'
import { type BuildPlace, changeInSandbox, runIn } from './in-sandbox.ts'
import { makeUser } from './run-step.ts'

/** Where the new system grows, in a sandbox that shows the host's own tools. */
const grown = 'grown'
const user = 'user'

/**
 * A system of its own from Debian packages. They are unpacked and set up in sandboxes: what their scripts do, they do in
 * there. Throws `BuildFailed` where that fails, `unavailable` where the packages cannot be had.
 */
export async function bootstrap(place: BuildPlace, packages: readonly string[], signal: AbortSignal): Promise<Image> {
  const { engine, log } = place
  const { images } = engine
  const onProgress = (message: string) => log.say(message, { step: 'base' })
  const fetched = await images.fetchPackages(packages, { onProgress, signal })
  const begun: Image = { layers: [fetched], onBase: true, user: 'root', env: {} }
  const key = images.steps.key(begun, [unpack, setUp, makeUser, await sources()])
  const known = await images.steps.find(key)
  if (known) return known

  onProgress('Unpacking what every Debian has')
  const unpacked = await changeInSandbox(place, begun, script(place, unpack, signal), signal, {
    below: grown,
    isOurs: true,
  })
  const [tree] = unpacked.layers
  if (!tree) throw new BuildFailed('the packages unpacked to nothing', 'base')
  onProgress('Setting the packages up')
  const over: Image = { layers: [fetched, tree], onBase: false, user: 'root', env: {} }
  const ready = await changeInSandbox(place, over, script(place, setUp, signal, await sources()), signal, {
    isOurs: true,
  })
  const [written] = ready.layers
  const image = { layers: [written!, tree], onBase: false, user, workdir: '/home/user', env: {} }
  await images.steps.keep(key, image)
  return image
}

function script(place: BuildPlace, text: string, signal: AbortSignal, ...args: string[]) {
  return async (instance: Instance) => {
    const argv = ['/bin/bash', '-c', text, 'warren', ...args]
    const { exitCode, stderr } = await runIn(instance, place, { argv, user: 'root', logAs: 'base' }, signal)
    if (exitCode !== 0) throw new BuildFailed(`the packages could not be set up: ${lastLines(stderr)}`, 'base')
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join('; ').slice(-500)
}

/** Where a sandbox finds more packages: the archive of the host's own distribution. */
async function sources(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const of = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? ''
  const codename = of('VERSION_CODENAME')
  if (of('ID') === 'debian')
    return [
      `deb http://deb.debian.org/debian ${codename} main`,
      `deb http://deb.debian.org/debian ${codename}-updates main`,
      `deb http://deb.debian.org/debian-security ${codename}-security main`,
    ].join('\n')
  if (of('ID') === 'ubuntu')
    return ['', '-updates', '-security']
      .map((part) => `deb http://archive.ubuntu.com/ubuntu ${codename}${part} main universe`)
      .join('\n')
  return ''
}

const unpack = `
set -e -o pipefail
umask 022
mkdir /${grown}
cd /${grown}
mkdir -p usr/bin usr/sbin usr/lib usr/lib64
for name in bin sbin lib lib64; do ln -s usr/$name $name; done
for package in ${packagesFolder}/*.deb; do
  [ "$(dpkg-deb --field "$package" Essential)" = yes ] || case $(dpkg-deb --field "$package" Priority) in
    required) ;;
    *) case \${package##*/} in lib*|gcc-*|zlib*) ;; *) continue ;; esac ;;
  esac
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --same-owner \
    --exclude='./usr/share/man/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/locale/*' -f -
done
mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers etc proc sys dev tmp run
: >var/lib/dpkg/status
: >var/lib/dpkg/available
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
[ -e bin/sh ] || ln -s dash usr/bin/sh
`

/** SOURCES */
const setUp = `
set -e -o pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 HOME=/root
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/dpkg/dpkg.cfg.d /usr/share/man/man1
printf 'path-exclude /usr/share/man/*\\npath-exclude /usr/share/info/*\\npath-exclude /usr/share/doc/*\\npath-include /usr/share/doc/*/copyright\\n' >/etc/dpkg/dpkg.cfg.d/warren
cd ${packagesFolder}
essential=
for package in *.deb; do
  if [ "$(dpkg-deb --field $package Essential)" = yes ]; then essential="$essential $package"; fi
done
force='--force-depends --force-unsafe-io --force-confnew --force-overwrite'
dpkg $force --install base-passwd_*.deb base-files_*.deb
dpkg $force --install libc6_*.deb libgcc-s1_*.deb gcc-*-base_*.deb
dpkg $force --install $essential
dpkg $force --unpack *.deb
dpkg $force --configure --pending
dpkg --audit
[ -z "$1" ] || printf '%s\\n' "$1" >/etc/apt/sources.list
rm -f /usr/sbin/policy-rc.d
/bin/sh -c ${JSON.stringify('@makeUser@')} warren user
usermod -aG sudo user 2>/dev/null || true
ln -sf /.warren/guest /usr/local/bin/sudo
printf '${pipConf.replaceAll('\n', '\\n')}' >/etc/pip.conf
rm -rf /var/cache/debconf/*-old /var/log/dpkg.log /var/log/alternatives.log /var/log/apt
`.replace(JSON.stringify('@makeUser@'), `'${makeUser.replaceAll("'", `'\\''`)}'`)
