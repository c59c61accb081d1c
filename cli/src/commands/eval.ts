import type { Command } from 'commander'
import type { CaseResult } from '../eval/evaluate.ts'
import { type Changes, compare, keepResult, lastResult } from '../eval/last-result.ts'
import { readSuite } from '../eval/suite.ts'
import { interruption } from '../interruption.ts'
import { text } from '../messages.ts'
import { wholePositive } from '../options.ts'
import { harmless } from '../output/harmless.ts'
import { printJson } from '../output/print.ts'
import { table } from '../output/table.ts'
import { server } from '../server.ts'

const defaultParallel = 4

export function addEval(parent: Command): void {
  parent
    .command('eval')
    .description(text.evaluate)
    .argument('<file>', text.argumentSuite)
    .option('--parallel <n>', text.optionParallel, wholePositive, defaultParallel)
    .option('--no-save', text.optionNoSave)
    .option('--json', text.optionJson)
    .addHelpText('after', `\n${text.evalHelp}`)
    .action(evaluateFile)
}

/** Ctrl-C cancels the runs that go on. */
async function evaluateFile(
  path: string,
  { parallel, save, json }: { parallel: number; save: boolean; json?: boolean },
): Promise<void> {
  // Loaded here: other commands shall not wait for what checks schemas.
  const { evaluate } = await import('../eval/evaluate.ts')
  const suite = readSuite(path)
  const last = lastResult(path)
  const tell = ({ name, passed, why }: CaseResult) => {
    if (json) return
    const line = `${name}: ${passed ? text.evalPasses : text.evalFails}${why ? `: ${why}` : ''}`
    process.stderr.write(`${harmless(line)}\n`)
  }
  const result = await evaluate(server(), suite, { parallel, signal: interruption().signal, tell })
  const changes = last && compare(last, result)
  if (save) keepResult(path, result)
  process.exitCode = result.failed === 0 ? 0 : 1
  if (json) return printJson({ file: path, ...result, ...(changes && { changes }) })
  const head = [text.columnCase, text.columnVerdict, text.columnSteps, text.columnTokens, text.columnSeconds]
  process.stdout.write(
    table(
      head,
      result.cases.map((one) => rowOf(one, changes)),
    ),
  )
  const { passed, cases, tokens, usd } = result
  process.stdout.write(`\n${text.evalSummary(passed, cases.length, tokens, usd)}\n`)
  if (changes)
    process.stdout.write(
      `${text.evalSince(changes.since, changes.broken.length, changes.fixed.length, changes.tokens)}\n`,
    )
}

function rowOf({ name, passed, steps, tokens, ms }: CaseResult, changes: Changes | undefined): string[] {
  const now = passed ? text.evalPasses : text.evalFails
  const broken = changes?.broken.includes(name) ? text.evalBroken : undefined
  const fixed = changes?.fixed.includes(name) ? text.evalFixed : undefined
  return [name, broken ?? fixed ?? now, String(steps), String(tokens), (ms / 1000).toFixed(1)]
}
