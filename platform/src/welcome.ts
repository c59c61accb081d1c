import { join } from 'node:path'
import type { Account } from './accounts/account.ts'
import { type Config, settings } from './config.ts'
import type { DriverReport, Engine } from './engine/engine.ts'
import { places } from './http/places.ts'
import type { TlsCredentials } from './http/tls/credentials.ts'
import type { Sandboxes } from './sandboxes/sandboxes.ts'

type TlsTrust = TlsCredentials['trust']

interface Greeting {
  engine: Engine
  sandboxes: Sandboxes
  account: Account
  /** Where the platform listens, as a URL. */
  address: string
  config: Config
  /** What clients of the domain have to trust, where its certificate is ours. */
  trust: TlsTrust
  /** The admin key, where somebody looks on: in what is kept of our output it has no place. */
  shownKey: string | undefined
  print: (line: string) => void
}

const program = { command: 'echo "hello from $(id -un) on $(uname -s), process $$"' }

/** What `npm start` shows: the ladder, a first program run in a real sandbox, where to go on, and the line `ready URL`. */
export async function greet(greeting: Greeting): Promise<void> {
  const { engine, sandboxes, account, address, config, trust, shownKey, print } = greeting
  print('')
  print('Runtimes of this host, strongest first:')
  for (const report of await engine.drivers()) print(`  ${ladderLine(report)}`)
  print('')
  await firstProgram({ sandboxes, account, print })
  print('')
  print(`Address    ${address}`)
  const keyFile = join(config.home, 'admin.key')
  print(`Admin key  ${shownKey === undefined ? keyFile : `${shownKey} (kept in ${keyFile})`}`)
  print('')
  print('Next, in another terminal, in this folder:')
  for (const line of whereToFind(config, address)) print(`  ${line}`)
  print('  npx warren run -- python3 -c "print(6 * 7)"    run a program in a fresh sandbox')
  print('  npx warren sandbox shell                       a terminal in a new sandbox')
  print('  npx warren doctor                              what this host can isolate, and why')
  print('')
  if (config.domain) for (const line of domainLines(config, address, trust)) print(line)
  print(`ready ${address}`)
}

/** How a program written for E2B finds us by the domain. */
function domainLines(config: Config, address: string, trust: TlsTrust): string[] {
  const { domain } = places(() => Number(new URL(address).port), config.domain)
  return [
    `Programs written for E2B, by the domain (api.${config.domain!.name} and *.${config.domain!.name} must lead here):`,
    `  export E2B_DOMAIN=${domain()} E2B_API_KEY=$(cat '${join(config.home, 'admin.key')}')`,
    ...(trust ? [`  export NODE_EXTRA_CA_CERTS='${trust.authority}' SSL_CERT_FILE='${trust.bundle}'`] : []),
    '',
  ]
}

/** What the command line has to be told when it would look for us elsewhere. */
function whereToFind({ home }: Config, address: string): string[] {
  const variables: string[] = []
  if (home !== settings.home.default) variables.push(`WARREN_HOME='${home}'`)
  const port = new URL(address).port
  if (port !== String(settings.port.default)) variables.push(`WARREN_PORT=${port}`)
  return variables.length > 0 ? [`export ${variables.join(' ')}`] : []
}

async function firstProgram({
  sandboxes,
  account,
  print,
}: Pick<Greeting, 'sandboxes' | 'account' | 'print'>): Promise<void> {
  const signal = AbortSignal.timeout(60_000)
  try {
    const startedAt = performance.now()
    const sandbox = await sandboxes.create(account, { timeout: 60, metadata: { purpose: 'first program' } }, signal)
    const subject = { account, id: sandbox.id }
    try {
      const result = await sandboxes.execute(subject, program, signal)
      const ms = (performance.now() - startedAt).toFixed(1)
      print(`First program, in a sandbox of ${sandbox.runtime?.driver} (isolation: ${sandbox.runtime?.isolation}):`)
      for (const line of result.stdout.trimEnd().split('\n')) print(`  ${line}`)
      print(`  from nothing to its output in ${ms} ms${sandbox.warm ? ' (from the warm pool)' : ''}`)
    } finally {
      await sandboxes.remove(subject)
    }
  } catch (error) {
    print(`The first program could not run: ${(error as Error).message}`)
    print('  `npx warren doctor` tells what each runtime lacks.')
  }
}

function ladderLine({ driver, isolation, fingerprint }: DriverReport): string {
  const mark = fingerprint.healthy ? '✓' : '·'
  return `${mark} ${driver.padEnd(20)} ${isolation.padEnd(17)} ${fingerprint.reason}`
}
