import { CommanderError } from 'commander'
import { explain } from './explain.ts'
import { program } from './program.ts'

// A reader that has seen enough, as in `warren sandbox list | head -1`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  await program().parseAsync()
  // Not left to end by itself: an idle keep-alive connection or a terminal on standard input would hold it.
  process.exit()
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode)
  explain(error, process.argv.includes('--json'))
  // As `env` and the container tools do it: above 124 the failure is ours, below it is the program's that was run.
  process.exit(['run', 'exec'].some((name) => process.argv.slice(2, 4).includes(name)) ? 125 : 1)
}
