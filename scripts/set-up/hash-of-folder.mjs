import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** One hash over the paths and contents of all files below `folder`, except those whose path in it `isLeftOut` names. */
export function hashOfFolder(folder, isLeftOut) {
  const hash = createHash('sha256')
  const visit = (path) => {
    const full = join(folder, path)
    if (!statSync(full).isDirectory()) hash.update(`${path}\0`).update(readFileSync(full)).update('\0')
    else for (const name of readdirSync(full).sort()) if (!isLeftOut(join(path, name))) visit(join(path, name))
  }
  visit('')
  return hash.digest('hex')
}
