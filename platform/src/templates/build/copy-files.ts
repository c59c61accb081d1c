import { posix } from 'node:path'
import type { Image } from '../../engine/images/images.ts'
import type { TemplateStep } from '../template.ts'
import { BuildFailed } from './build-failed.ts'
import { changeInSandbox, runIn } from './in-sandbox.ts'
import type { StepPlace } from './run-step.ts'

/** Where the upload lies in the sandbox for as long as it is unpacked. */
const uploadPath = '/tmp/.warren-copy.tar'

/**
 * `[source, destination, owner, mode]`: unpacks an upload in the sandbox and puts what it holds in its place. Whatever an
 * archive tries by its links, its names or its size, it tries in there.
 */
export async function copyFiles(
  place: StepPlace,
  image: Image,
  { args, filesHash, wholeContext }: TemplateStep,
  signal: AbortSignal,
): Promise<Image> {
  const [source = '', destination = '', owner, mode = ''] = args
  const failed = (reason: string) =>
    new BuildFailed(`failed to copy '${source}' to '${destination}': ${reason}`, place.step)
  if (!filesHash) throw failed('the step names no upload (filesHash)')
  if (mode && !/^[0-7]{3,4}$/.test(mode)) throw failed(`"${mode.slice(0, 20)}" is no octal mode`)
  const from = posix.normalize(source.replace(/^\/+/, '') || '.').replace(/\/+$/, '') || '.'
  if (from === '..' || from.startsWith('../')) throw failed('the source lies outside of what was uploaded')
  const to = posix.resolve(image.workdir ?? '/', destination || '.')
  const isFolder = destination.endsWith('/') || destination === '.' || destination === ''
  // Clients upload what they have chosen already, at the paths it has with them.
  const chosen = wholeContext ? from : withoutPattern(from)
  const upload = await place.openUpload(filesHash)
  return changeInSandbox(
    place,
    image,
    async (instance) => {
      await instance.guest.files.write(uploadPath, upload, { user: 'root', mode: 0o600 }, signal)
      const script = [copy, 'warren', uploadPath, chosen, to, isFolder ? '/' : '', owner || `${image.user}:`, mode]
      const argv = ['/bin/bash', '-c', ...script]
      const { exitCode, stderr } = await runIn(instance, place, { argv, user: 'root' }, signal)
      if (exitCode !== 0) throw failed(stderr.trim().split('\n').slice(-3).join('; ') || `exit status ${exitCode}`)
    },
    signal,
  )
}

/** The path up to its first part with a pattern. */
function withoutPattern(path: string): string {
  const parts = path.split('/')
  const first = parts.findIndex((part) => /[*?[{]/.test(part))
  return first < 0 ? path : parts.slice(0, first).join('/') || '.'
}

/** ARCHIVE SOURCE DESTINATION SLASH OWNER MODE. Folders are merged, links are kept as they are. */
const copy = `
set -e -o pipefail
archive=$1 source=$2 to=$3 slash=$4 owner=$5 mode=$6
from=$(mktemp -d /tmp/.warren-copy.XXXXXX)
tar -x -f "$archive" -C "$from" --no-same-owner
rm -f "$archive"
make() {
  local new= p=$1
  while [ ! -e "$p" ] && [ ! -L "$p" ]; do new=$p; p=$(dirname "$p"); done
  mkdir -p "$1"
  [ -z "$new" ] || chown -R "$owner" "$new"
}
prepare() {
  chown -hR "$owner" "$1"
  if [ -n "$mode" ]; then if [ -L "$1" ]; then :; else chmod -R "$mode" "$1"; fi; fi
}
merge() {
  make "$2"
  local entry
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    prepare "$entry"
    cp -a --remove-destination -t "$2" -- "$entry"
  done
}
place() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then merge "$1" "$to"; return; fi
  prepare "$1"
  if [ -n "$slash" ] || [ -d "$to" ]; then
    make "$to"
    cp -a --remove-destination -t "$to" -- "$1"
  else
    make "$(dirname "$to")"
    cp -a --remove-destination -T -- "$1" "$to"
  fi
}
cd "$from"
if [ -e "$source" ] || [ -L "$source" ]; then
  place "$from/$source"
else
  shopt -s nullglob dotglob
  IFS=
  found=($source)
  [ \${#found[@]} -gt 0 ] || { echo "there is no such file in what was uploaded" >&2; exit 1; }
  [ \${#found[@]} -eq 1 ] || slash=/
  for entry in "\${found[@]}"; do place "$from/$entry"; done
fi
cd /
rm -rf "$from"
`
