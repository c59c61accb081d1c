import { explain } from './explain.ts'
import { text } from './messages.ts'
import { withProgress } from './output/progress.ts'

/**
 * Does one of several: answers whether it was done, which is told with `done`. A failure is told too; the command goes on
 * after it, and fails in the end.
 */
export async function attempted(
  work: () => Promise<unknown>,
  { json, done }: { json: boolean; done: string },
): Promise<boolean> {
  try {
    await (json ? work() : withProgress(text.atWork, work))
  } catch (error) {
    explain(error, json)
    process.exitCode = 1
    return false
  }
  if (!json) process.stdout.write(`${done}\n`)
  return true
}
