import type { Account } from '../accounts/account.ts'
import type { Instance } from '../engine/engine.ts'
import type { GuestProcess } from '../engine/guest/process.ts'
import { WarrenError } from '../errors.ts'
import { argvOf, nodeForTypeScript, type Program, type StartProcess } from './program.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { tracedEnvironment } from './traced-environment.ts'
import { wokenInstance } from './wake.ts'

/** Starts a process that goes on by itself. The answer is its first connection: read it, or detach from it. */
export async function startProcess(
  deps: SandboxDeps,
  subject: { account: Account; id: string },
  input: StartProcess,
): Promise<GuestProcess> {
  const instance = await wokenInstance(deps, subject.account, subject.id)
  const program = argvOf(input)
  if (program.stdin !== undefined && (input.stdin || input.pty)) throw tooLongForStdin()
  const process = await startProgram(instance, input, {
    argv: program.argv,
    stdin: input.stdin || program.stdin !== undefined,
    ...(input.pty ? { pty: input.pty } : {}),
    ...(input.tag === undefined ? {} : { tag: input.tag }),
  })
  if (program.stdin !== undefined) await feed(process, program.stdin)
  return process
}

/** What the two ways to run a program share: its surroundings, and the check that it can run at all. */
export async function startProgram(
  instance: Instance,
  program: Program,
  how: { argv: string[]; stdin: boolean; pty?: { cols: number; rows: number }; tag?: string },
): Promise<GuestProcess> {
  if (program.language === 'typescript') await requireTypeScript(instance)
  const env = tracedEnvironment(program.env)
  return instance.guest.exec({
    ...how,
    ...(env ? { env } : {}),
    ...(program.cwd === undefined ? {} : { cwd: program.cwd }),
    ...(program.user === undefined ? {} : { user: program.user }),
    ...(program.timeout === undefined ? {} : { timeoutMs: Math.ceil(program.timeout * 1000) }),
  })
}

/** Gives `text` to the process as all of its standard input. A process that ends without reading it is no error. */
export async function feed(process: GuestProcess, text: string): Promise<void> {
  try {
    await process.write(Buffer.from(text))
    await process.closeStdin()
  } catch (error) {
    if (!(error instanceof WarrenError)) throw error
  }
}

export function tooLongForStdin(): WarrenError {
  return new WarrenError(
    'invalid_request',
    'code of more than 100 kB is passed on standard input, which is asked for otherwise',
    {
      hint: 'Upload the code as a file and run that.',
    },
  )
}

const withTypeScript = new WeakSet<Instance>()

async function requireTypeScript(instance: Instance): Promise<void> {
  if (withTypeScript.has(instance)) return
  const probe = await instance.guest.exec({ argv: [...nodeForTypeScript, '-e', 'const works: boolean = true'] })
  for await (const _ of probe.output());
  if ((await probe.exit).exitCode !== 0) {
    throw new WarrenError('invalid_request', 'the node in this sandbox cannot run TypeScript', {
      hint: 'Node 22.7 or later can. Use "javascript", or a template with a newer node.',
    })
  }
  withTypeScript.add(instance)
}
