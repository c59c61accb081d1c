import { createHash } from 'node:crypto'
import { chmod, copyFile, readFile, rename, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { newId } from '../../lib/id.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { step } from '../../lib/step.ts'

/**
 * A copy of the guest agent's binary that lasts: what was saved with an agent can only go on with the same one, also after
 * Warren has been upgraded. Its date is the same everywhere, since a runtime may compare it.
 */
export async function keepAgent(imagesDir: string, guestBinary: string): Promise<string> {
  const path = agentPath(
    imagesDir,
    createHash('sha256')
      .update(await readFile(guestBinary))
      .digest('hex'),
  )
  if (await isAccessible(path)) return path
  const draft = `${path}.${newId('d')}.draft`
  await step('agent.keep', path, async () => {
    await copyFile(guestBinary, draft)
    await chmod(draft, 0o755)
    await utimes(draft, 0, 0)
    await rename(draft, path)
  })
  return path
}

export function agentPath(imagesDir: string, sha256: string): string {
  return join(imagesDir, `agent-${sha256}`)
}
