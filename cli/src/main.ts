import { CommanderError } from 'commander'
import { explain } from './explain.ts'
import { program } from './program.ts'
import { renewSession } from './session.ts'
import { exitCodeOfFailure } from './stream-exec.ts'

/** What these commands do needs no server. */
const speaksToNobody = ['', 'up', 'doctor', 'verify', 'completion', 'models', 'help', 'login', 'join', 'backup']

const json = process.argv.includes('--json')

// A reader that has seen enough, as in `warren sandbox list | head -1`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  if (!speaksToNobody.includes(process.argv[2] ?? '')) await renewSession()
  await program({ json }).parseAsync()
  // Not left to end by itself: an idle keep-alive connection or a terminal on standard input would hold it.
  process.exit()
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode)
  explain(error, json)
  const runs = ['run', 'exec'].some((name) => process.argv.slice(2, 4).includes(name))
  process.exit(runs ? exitCodeOfFailure(error) : 1)
}
