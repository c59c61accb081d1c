import { readFileSync, readlinkSync } from 'node:fs'

/** What is in a file of /proc or /sys; empty where it is gone or not ours to read. */
export function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Where a link of /proc leads; empty likewise. */
export function linkProc(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
