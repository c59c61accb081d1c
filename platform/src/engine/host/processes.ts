import { readdir, readFile } from 'node:fs/promises'
import { unlessOutOfResources } from '../../lib/out-of-resources.ts'
import { processStat } from '../../lib/process-stat.ts'

/** SIGKILL for a process and all its descendants, found before the first one dies. */
export async function killTree(root: number): Promise<void> {
  for (const pid of await treeOf(root)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Already gone.
    }
  }
}

/** A process and all its descendants, parents first. */
export async function treeOf(root: number): Promise<number[]> {
  const children = new Map<number, number[]>()
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const stat = processStat(pid)
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

/** Processes whose command line holds these arguments in a row. */
export async function findByArguments(argv: readonly string[]): Promise<number[]> {
  const wanted = `\0${argv.join('\0')}\0`
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(unlessOutOfResources(''))
    if (commandLine.includes(wanted)) found.push(pid)
  }
  return found
}
