import { posix } from 'node:path'
import type { Image } from '../../engine/images/images.ts'
import { loginShell } from '../../engine/login-shell.ts'
import { WarrenError } from '../../errors.ts'
import type { TemplateStep } from '../template.ts'
import { BuildFailed } from './build-failed.ts'
import { copyFiles } from './copy-files.ts'
import { type BuildPlace, changeInSandbox, lookInSandbox, runIn } from './in-sandbox.ts'

export interface StepPlace extends BuildPlace {
  /** Opens the upload of this hash. */
  openUpload: (hash: string) => Promise<AsyncIterable<Buffer>>
  /** The step's number, from 1. */
  step: string
}

/** Does one step to an image. Throws `BuildFailed` for what the step itself gets wrong. */
export function runStep(place: StepPlace, image: Image, step: TemplateStep, signal: AbortSignal): Promise<Image> {
  switch (step.type) {
    case 'RUN':
      return run(place, image, step.args, signal)
    case 'COPY':
      return copyFiles(place, image, step, signal)
    case 'ENV':
      return setEnv(place, image, step.args, signal)
    case 'WORKDIR':
      return setWorkdir(place, image, step.args, signal)
    case 'USER':
      return setUser(place, image, step.args, signal)
  }
}

/** `[command, user?]`, in a login shell. */
async function run(place: StepPlace, image: Image, [command = '', as]: string[], signal: AbortSignal): Promise<Image> {
  const user = as || image.user
  if (!command) throw new BuildFailed('a RUN step needs a command', place.step)
  return changeInSandbox(
    place,
    image,
    async (instance) => {
      const argv = loginShell(command)
      const cwd = image.workdir ?? '/'
      const failed = (reason: string) => new BuildFailed(`failed to run command '${command}': ${reason}`, place.step)
      const ran = await runIn(instance, place, { argv, user, cwd, logAs: place.step }, signal).catch((error) => {
        if (!(error instanceof WarrenError) || signal.aborted) throw error
        if (error.code === 'not_found' && /user/i.test(error.message))
          throw failed(`command failed: unauthenticated: invalid username: '${user}'`)
        throw error.code === 'unavailable' ? error : failed(`command failed: ${error.message}`)
      })
      if (ran.exitCode !== 0) throw failed(`exit status ${ran.exitCode ?? 'unknown: it was ended by a signal'}`)
    },
    signal,
  )
}

/** `[name, value, …]`; `$NAME` in a value is what it is in the sandbox at this point. */
async function setEnv(place: StepPlace, image: Image, args: string[], signal: AbortSignal): Promise<Image> {
  const pairs: [name: string, value: string][] = []
  for (let at = 0; at < args.length; at += 2) {
    const [name = '', value = ''] = args.slice(at, at + 2)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new BuildFailed(`"${name.slice(0, 100)}" is no name of an environment variable`, place.step)
    pairs.push([name, value])
  }
  if (!pairs.some(([, value]) => value.includes('$')))
    return { ...image, env: { ...image.env, ...Object.fromEntries(pairs) } }
  const env = await lookInSandbox(
    place,
    image,
    async (instance) => {
      const found: Record<string, string> = {}
      for (const [name, value] of pairs) {
        const print = `printf '%s' "${value.replace(/["\\`]/g, '\\$&')}"`
        const argv = loginShell(print)
        const { exitCode, stdout, stderr } = await runIn(instance, place, { argv, user: image.user }, signal)
        if (exitCode !== 0)
          throw new BuildFailed(`the value of ${name} cannot be expanded: ${stderr.trim()}`, place.step)
        found[name] = stdout
      }
      return found
    },
    signal,
  )
  return { ...image, env: { ...image.env, ...env } }
}

/** `[path]`; folders that are made belong to the current user. */
async function setWorkdir(place: StepPlace, image: Image, [path = '']: string[], signal: AbortSignal): Promise<Image> {
  if (!path) throw new BuildFailed('a WORKDIR step needs a path', place.step)
  const workdir = posix.resolve(image.workdir ?? '/', path)
  const changed = await asRoot(place, image, [makeFolder, 'warren', workdir, image.user], signal)
  return { ...changed, workdir }
}

/** `[name]`, made where there is none. */
async function setUser(place: StepPlace, image: Image, [name = '']: string[], signal: AbortSignal): Promise<Image> {
  const [user = '', group] = name.split(':')
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/.test(user))
    throw new BuildFailed(`"${name.slice(0, 100)}" is no name of a user`, place.step)
  if (group !== undefined) throw new BuildFailed('a USER step takes a user without a group', place.step)
  return { ...(await asRoot(place, image, [makeUser, 'warren', user], signal)), user }
}

async function asRoot(place: StepPlace, image: Image, script: string[], signal: AbortSignal): Promise<Image> {
  return changeInSandbox(
    place,
    image,
    async (instance) => {
      const { exitCode, stderr } = await runIn(
        instance,
        place,
        { argv: ['/bin/sh', '-c', ...script], user: 'root' },
        signal,
      )
      if (exitCode !== 0) throw new BuildFailed(stderr.trim() || `exit status ${exitCode}`, place.step)
    },
    signal,
  )
}

/** PATH USER: the folder and those above it that are not there. */
const makeFolder = `
set -e
new= p=$1
while [ ! -e "$p" ] && [ ! -L "$p" ]; do new=$p; p=$(dirname "$p"); done
mkdir -p "$1"
[ -d "$1" ] || { echo "$1 is not a folder" >&2; exit 1; }
[ -z "$new" ] || chown -R "$2:" "$new"
`

/** NAME: also where a system has no program for it. A number is a user that needs no name. */
export const makeUser = `
set -e
id -u "$1" >/dev/null 2>&1 && exit 0
case $1 in *[!0-9]*) ;; *) exit 0 ;; esac
shell=/bin/bash; [ -x $shell ] || shell=/bin/sh
uid=1000
while cut -d: -f3 /etc/passwd /etc/group | grep -qx $uid; do uid=$((uid + 1)); done
echo "$1:x:$uid:$uid:$1:/home/$1:$shell" >>/etc/passwd
echo "$1:x:$uid:" >>/etc/group
if [ -e /etc/shadow ]; then echo "$1:!:19000:0:99999:7:::" >>/etc/shadow; fi
if [ ! -e "/home/$1" ]; then
  mkdir -p "/home/$1"
  [ ! -d /etc/skel ] || cp -a /etc/skel/. "/home/$1/"
fi
chown -R "$uid:$uid" "/home/$1"
`

/** Lets `sudo` be found where set-user-id programs do not work. Not where the host's own /usr is shown. */
export const placeSudo = `
[ ! -w /usr/local/bin ] || ln -sf /.warren/guest /usr/local/bin/sudo
`
