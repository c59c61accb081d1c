import { WarrenError } from '@warren/sdk'
import { text } from './messages.ts'
import { server } from './server.ts'

/** `error`, or in its place that the sandbox has ended under the program, as it does when its time is over. */
export async function orSandboxGone(id: string, error: unknown): Promise<unknown> {
  if (!(error instanceof WarrenError) || error.code !== 'unavailable' || error.details?.noAnswer) return error
  const isGone = await server()
    .sandboxes.get(id)
    .then(
      ({ info }) => info.state !== 'running',
      (reason) => reason instanceof WarrenError && reason.code === 'not_found',
    )
  return isGone
    ? new WarrenError('not_found', text.sandboxGone(id), { hint: text.sandboxGoneHint, cause: error })
    : error
}
