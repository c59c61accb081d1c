import type { Command } from 'commander'
import { text } from '../messages.ts'
import { printJson } from '../output/print.ts'
import { withProgress } from '../output/progress.ts'
import { table } from '../output/table.ts'

export function addDoctor(program: Command): void {
  program.command('doctor').description(text.doctor).option('--json', text.optionJson).action(doctor)
}

/** Needs no server. Exits 0 exactly when at least one isolating runtime works. */
async function doctor({ json }: { json?: boolean }): Promise<void> {
  // Loaded here: other commands shall not wait for parts of the platform.
  const [{ hostFacts }, { probeRuntimes }] = await Promise.all([
    import('../doctor/host-facts.ts'),
    import('../doctor/probe-runtimes.ts'),
  ])
  const host = await hostFacts()
  const runtimes = await withProgress(text.probing, () => probeRuntimes())
  const ok = runtimes.some(({ healthy, isolation }) => healthy && isolation !== 'none')
  process.exitCode = ok ? 0 : 1
  if (json) return printJson({ ok, runtimes, host })

  const facts = host.map((fact) => [fact.ok ? '✓' : '·', text.fact[fact.name] ?? fact.name, fact.detail])
  const [head, ...rows] = facts
  process.stdout.write(`${table(head!, rows)}\n`)
  const { columnDriver, columnIsolation, columnVerdict, columnReason } = text
  process.stdout.write(
    table(
      [columnDriver, columnIsolation, columnVerdict, columnReason],
      runtimes.map(({ driver, isolation, healthy, onRequest, reason }) => [
        driver,
        isolation,
        healthy ? text.works : onRequest ? text.worksOnRequest : text.worksNot,
        reason,
      ]),
    ),
  )
  process.stdout.write(`\n${ok ? text.doctorYes : text.doctorNo}\n`)
}
