import { setTimeout as sleep } from 'node:timers/promises'
import type { Case, CaseResult, Finding, NotApplicable } from './case.ts'
import type { Place } from './place.ts'
import type { World } from './world.ts'

/** An attempt that takes longer has not answered, milliseconds. */
const longestMs = 60_000

export interface BatteryReport {
  cases: CaseResult[]
}

/** Makes every attempt on the control and then at every place. Places are worked on side by side, each case after case. */
export async function runBattery(
  cases: readonly Case[],
  places: readonly Place[],
  world: World,
  tell: (line: string) => void = () => {},
): Promise<BatteryReport> {
  tell('seeing that every attempt gets through where nothing forbids it')
  const controls = new Map<string, Control>()
  for (const one of cases) controls.set(one.id, await controlOf(one, world))
  const results = await Promise.all(
    places.map(async (place) => {
      const found: CaseResult[] = []
      // The first machine of its kind may take minutes, which no attempt is to answer for; what fails here fails there too.
      await place.main().catch(() => {})
      for (const one of cases) {
        const startedAt = performance.now()
        const result = await judge(one, place, world, controls.get(one.id)!)
        found.push({ id: one.id, backend: place.driver, ...result })
        const seconds = (performance.now() - startedAt) / 1000
        if (seconds > 5) tell(`${place.driver}: ${one.id} took ${seconds.toFixed(1)} s`)
      }
      tell(`${place.driver} is done`)
      return found
    }),
  )
  return { cases: results.flat() }
}

type Control = { proved: true; saw: string } | { proved: false; outcome: 'open' | 'not_applicable'; reason: string }

/** The attempt must get through on its control: otherwise being stopped elsewhere proves nothing. */
async function controlOf(one: Case, world: World): Promise<Control> {
  const finding = await attempt(() => (one.control ? one.control(world) : one.run(world.control, world)))
  if ('notApplicable' in finding) return notApplicable(finding.notApplicable)
  if ('failed' in finding) return world.root ? broken(finding.failed) : notApplicable(noRight)
  if (finding.open) return { proved: true, saw: finding.saw }
  if (one.absent?.includes(finding.saw)) return notApplicable(`this host has no such thing (${finding.saw})`)
  return world.root ? broken(`it is stopped on its control too (${finding.saw})`) : notApplicable(noRight)
}

/** What only root can show to get through. */
const noRight = 'the platform is no root and has no such right to lose, so nothing can be shown here'

function notApplicable(reason: string): Control {
  return { proved: false, outcome: 'not_applicable', reason }
}

function broken(why: string): Control {
  return { proved: false, outcome: 'open', reason: `the case proves nothing: ${why}` }
}

async function judge(
  one: Case,
  place: Place,
  world: World,
  control: Control,
): Promise<Pick<CaseResult, 'outcome' | 'reason'>> {
  if (!control.proved) return { outcome: control.outcome, reason: control.reason }
  const finding = await attempt(() => one.run(place, world), place.patience)
  if ('failed' in finding) return { outcome: 'open', reason: `no answer, which counts as open: ${finding.failed}` }
  if ('notApplicable' in finding) return { outcome: 'not_applicable', reason: finding.notApplicable }
  if (!finding.open) return { outcome: 'closed', reason: `${finding.saw}; on the control: ${control.saw}` }
  const own = one.ownKernel && (await place.ownKernel().catch(() => undefined))
  return own ? { outcome: 'closed', reason: own } : { outcome: 'open', reason: finding.saw }
}

async function attempt(
  run: () => Promise<Finding | NotApplicable>,
  patience = 1,
): Promise<Finding | NotApplicable | { failed: string }> {
  const late = sleep(longestMs * patience, { failed: 'the attempt did not end in time' }, { ref: false })
  return Promise.race([run().catch((error) => ({ failed: String((error as Error).message ?? error) })), late])
}
