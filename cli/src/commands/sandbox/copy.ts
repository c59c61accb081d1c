import { existsSync } from 'node:fs'
import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { download } from '../../copy/download.ts'
import { fromStandardInput, toStandardOutput } from '../../copy/standard.ts'
import type { CopyTally } from '../../copy/tally.ts'
import { upload } from '../../copy/upload.ts'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { shortSize } from '../../output/quantity.ts'
import { server } from '../../server.ts'

export function addCopy(parent: Command): void {
  parent
    .command('cp')
    .description(text.copy)
    .argument('<from>', text.argumentFrom)
    .argument('<to>', text.argumentFrom)
    .option('-u, --user <name>', text.optionUser)
    .option('--json', text.optionJson)
    .addHelpText(
      'after',
      `
  warren sandbox cp report.csv ID:/home/user/
  warren sandbox cp ID:/home/user/out ./out
  warren sandbox cp ID:out.json - | jq

${text.copyLinks}`,
    )
    .action(copy)
}

async function copy(from: string, to: string, { user, json }: { user?: string; json?: boolean }): Promise<void> {
  const [source, target] = [sideOf(from), sideOf(to)]
  if ((source.id === undefined) === (target.id === undefined)) throw wrongSides(from, to)
  const { signal, exitCode } = interruption()
  const sandbox = await server().sandboxes.get((source.id ?? target.id)!)
  try {
    const tally = await withProgress(text.copying, async (report) => {
      const onProgress = ({ files, bytes }: CopyTally) => report(text.copied(files, shortSize(bytes)))
      const options = { user, signal, onProgress }
      if (from === '-') return fromStandardInput(sandbox.files, target.path, options)
      if (to === '-') return toStandardOutput(sandbox.files, source.path, options)
      const copyAll = source.id === undefined ? upload : download
      return copyAll(sandbox.files, source.path, target.path, options)
    })
    for (const warning of tally.skipped) process.stderr.write(`warren: ${warning}\n`)
    if (tally.skipped.length > 0) process.exitCode = 1
    if (to === '-') return
    if (json) printJson(tally)
    else if (process.stderr.isTTY) process.stderr.write(`${text.copied(tally.files, shortSize(tally.bytes))}\n`)
  } catch (error) {
    if (!signal.aborted) throw error
    process.exitCode = exitCode() ?? 1
  }
}

/** A `NAME:` that is no file here was meant as a sandbox. */
function wrongSides(...arguments_: string[]): WarrenError {
  for (const argument of arguments_) {
    const name = /^([^/.:][^/:]*):/.exec(argument)?.[1]
    if (name && sideOf(argument).id === undefined && !existsSync(argument))
      return new WarrenError('invalid_request', text.notAnId(name), { hint: text.notAnIdHint })
  }
  return new WarrenError('invalid_request', text.bothSides)
}

/** `ID:PATH` is in a sandbox, everything else here. A file of ours with such a name is written `./name`. */
function sideOf(argument: string): { id?: string; path: string } {
  const match = /^(s[a-z0-9]{20}):(.*)$/s.exec(argument)
  return match ? { id: match[1]!, path: match[2] || '.' } : { path: argument }
}
