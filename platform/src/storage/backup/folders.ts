import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { WarrenError } from '../../errors.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { runCommand } from '../../lib/run-command.ts'
import { type LargeName, largeFolders } from './contents.ts'

/** Owners as numbers, attributes and holes as they are: disks are mostly holes, and layers belong to nobody of this host. */
const exactly = ['--numeric-owner', '--sparse', '--xattrs', '--xattrs-include=*', '--acls']

export function hasFolder(home: string, name: LargeName): Promise<boolean> {
  return isAccessible(join(home, largeFolders[name]), constants.F_OK)
}

/** What it takes on the disk, bytes; 0 where that cannot be told. */
export async function sizeOfFolder(home: string, name: LargeName): Promise<number> {
  const { stdout } = await runCommand(['du', '-sB1', join(home, largeFolders[name])], { timeoutMs: 600_000 })
  return Number.parseInt(stdout, 10) || 0
}

/** The folder as a tar archive. What changes meanwhile is taken as it is found. Throws where tar fails. */
export async function* packFolder(home: string, name: LargeName): AsyncGenerator<Buffer> {
  const child = spawn('tar', [...exactly, '-C', home, '-cf', '-', largeFolders[name]], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = endOf(child)
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    const { code, reason } = await ended
    // 1 tells that files changed or went away while they were read.
    if (code !== 0 && code !== 1) throw failed(name, reason)
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

export async function unpackFolder(home: string, name: LargeName, content: Readable): Promise<void> {
  const child = spawn('tar', [...exactly, '-C', home, '-xpf', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
  const ended = endOf(child)
  try {
    // That it ended early is told by its code.
    await pipeline(content, child.stdin).catch(() => {})
    const { code, reason } = await ended
    if (code !== 0) throw failed(name, reason)
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

function endOf(child: ReturnType<typeof spawn>): Promise<{ code: number | null; reason: string }> {
  let reason = ''
  child.stderr!.on('data', (chunk) => {
    reason = `${reason}${chunk}`.slice(-500)
  })
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, reason: error.message }))
    child.once('close', (code) => resolve({ code, reason: reason.trim() }))
  })
}

function failed(name: LargeName, reason: string): WarrenError {
  return new WarrenError('unavailable', `tar could not do the files of ${name}: ${reason}`)
}
