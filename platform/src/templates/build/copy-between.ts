import type { Image } from '../../engine/images/images.ts'
import type { TemplateStep } from '../template.ts'
import { BuildFailed } from './build-failed.ts'
import { copyFiles } from './copy-files.ts'
import { lookInSandbox, runIn } from './in-sandbox.ts'
import type { StepPlace } from './run-step.ts'

const archive = '/tmp/.warren-copied.tar'

/** The COPY of another stage or image: its files come out of a sandbox of their own. */
export function copyBetween(
  place: StepPlace,
  { source, target }: { source: Image; target: Image },
  step: TemplateStep,
  signal: AbortSignal,
): Promise<Image> {
  const path = step.args[0]!.replace(/^\/+/, '')
  return lookInSandbox(
    place,
    source,
    async (instance) => {
      // The pattern is for the shell; names that begin with a dash are below "./".
      const script = 'cd / && IFS= && set -- $1 && exec tar -c -f "$0" -- "$@"'
      const argv = ['/bin/sh', '-c', script, archive, `./${path}`.replace(/\/$/, '') || '.']
      const { exitCode, stderr } = await runIn(instance, place, { argv, user: 'root' }, signal)
      if (exitCode !== 0) throw new BuildFailed(`failed to copy '${step.args[0]}': ${stderr.trim()}`, place.step)
      const { stream } = await instance.guest.files.read(archive, { user: 'root' }, signal)
      const openUpload = async () => stream as AsyncIterable<Buffer>
      return copyFiles(
        { ...place, openUpload },
        target,
        { ...step, filesHash: '0'.repeat(64), wholeContext: true },
        signal,
      )
    },
    signal,
  )
}
