import { join } from 'node:path'
import { type Posture, WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../messages.ts'
import { printJson } from '../output/print.ts'
import { withProgress } from '../output/progress.ts'
import { table } from '../output/table.ts'
import { isLocal, localKey, server, serverUrl, warrenHome } from '../server.ts'

interface VerifyFlags {
  adversarial?: boolean
  driver?: string
  only?: string
  json?: boolean
}

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description(text.verify)
    .option('--adversarial', text.optionAdversarial)
    .option('--driver <name>', text.optionDriver)
    .option('--only <beginning>', text.optionOnly)
    .option('--json', text.optionJson)
    .addHelpText('after', `\n${text.verifyHelp}`)
    .action((flags: VerifyFlags) => (flags.adversarial ? attack(flags) : measure(flags)))
}

/** Measures a sandbox of every runtime that isolates. Exits 0 exactly when every check of every one is as it must be. */
async function measure({ driver, json }: VerifyFlags): Promise<void> {
  const warren = server()
  const wanted = (await warren.runtimes()).filter((runtime) =>
    driver ? runtime.driver === driver : runtime.healthy && runtime.isolation !== 'none',
  )
  if (wanted.length === 0) throw noRuntime(driver)
  const postures: Posture[] = []
  for (const runtime of wanted) {
    await withProgress(text.measuring(runtime.driver), async () => {
      await using sandbox = await warren.sandboxes.create({ isolation: { driver: runtime.driver }, timeout: 60 })
      postures.push(await sandbox.posture())
    })
  }
  const ok = postures.every((posture) => posture.ok)
  process.exitCode = ok ? 0 : 1
  if (json) return printJson({ ok, postures })
  const rows = postures.flatMap((posture) =>
    posture.checks.map(({ name, ok, expected, outside = '', inside = '' }) => [
      posture.driver,
      ok ? '✓' : '✗',
      text.check[name] ?? name,
      expected,
      outside,
      inside,
    ]),
  )
  const { columnDriver, columnCheck, columnExpected, columnOutside, columnInside } = text
  process.stdout.write(table([columnDriver, '', columnCheck, columnExpected, columnOutside, columnInside], rows))
  process.stdout.write(`\n${ok ? text.verifyYes : text.verifyNo}\n`)
}

/** Runs the battery of attacks. Exits 0 exactly when none of them got through. */
async function attack({ driver, only, json }: VerifyFlags): Promise<void> {
  // A server that was named is the one to attack; otherwise one of our own is, and nothing of it is left.
  const named = process.env.WARREN_URL ? runningServer() : undefined
  const { verifyHost } = await import('../../../verify/verify-host.ts')
  const { cases } = await withProgress(text.attacking, (tell) =>
    verifyHost({ driver, only, server: named, toolsDir: join(warrenHome(), 'tools'), tell }),
  )
  if (cases.length === 0) throw noRuntime(driver)
  const opened = cases.filter(({ outcome }) => outcome === 'open')
  process.exitCode = opened.length === 0 ? 0 : 1
  if (json) return printJson({ cases })
  const { columnDriver, columnVerdict, columnAttack, columnReason } = text
  const rows = cases.map(({ id, backend, outcome, reason }) => [backend, text.outcome[outcome], id, reason])
  process.stdout.write(`${table([columnDriver, columnVerdict, columnAttack, columnReason], rows)}\n`)
  for (const backend of new Set(cases.map((one) => one.backend))) {
    const count = (outcome: string) => cases.filter((one) => one.backend === backend && one.outcome === outcome).length
    process.stdout.write(`${backend}: ${text.outcomes(count('closed'), count('open'), count('not_applicable'))}\n`)
  }
}

/** It must be on this machine: the attempts look for what is on its host, and that is known only here. */
function runningServer() {
  const url = serverUrl()
  if (!isLocal(url)) throw new WarrenError('invalid_request', text.verifyRemote(url), { hint: text.verifyRemoteHint })
  return { url, key: process.env.WARREN_API_KEY || localKey(url) || '', home: warrenHome() }
}

function noRuntime(driver: string | undefined): WarrenError {
  return new WarrenError('not_found', driver ? text.noSuchRuntime(driver) : text.doctorNo, { hint: text.seeDoctor })
}
