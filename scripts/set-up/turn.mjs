import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.mjs'
import { tell } from './tell.mjs'

const lock = join(root, '.cache', 'set-up.pid')

/**
 * Waits until no other set-up is at work in this clone and answers with the function that lets the next one in.
 * A lock whose owner died is taken over. In a read-only clone there is nothing to guard.
 */
export async function waitForTurn() {
  try {
    mkdirSync(join(root, '.cache'), { recursive: true })
  } catch {
    return () => {}
  }
  for (let told = false; ; ) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return () => rmSync(lock, { force: true })
    } catch (error) {
      if (error.code === 'EACCES' || error.code === 'EROFS') return () => {}
      if (error.code !== 'EEXIST') throw error
    }
    const owner = ownerOfLock()
    if (owner === undefined) {
      rmSync(lock, { force: true })
      continue
    }
    if (!told) tell(`another set-up is at work in this clone (process ${owner}), waiting for it`)
    told = true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** The living process that holds the lock; undefined if it died. */
function ownerOfLock() {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('set-up.mjs') ? pid : undefined
  } catch {
    return undefined
  }
}
