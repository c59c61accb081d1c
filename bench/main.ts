import { parseArgs } from 'node:util'
import { agentParts, benchAgents, benchCodebase } from './agents.ts'
import { benchBilling } from './billing.ts'
import { benchCapacity } from './capacity.ts'
import { benchE2b } from './e2b.ts'
import { benchFirstStart, printFirstStart } from './first-start.ts'
import { benchForecasts, forecastBenches, printForecasts } from './forecasts.ts'
import { benchFunctions, functionSections } from './functions.ts'
import { benchGateway } from './gateway.ts'
import { benchLadder } from './ladder.ts'
import { type Machine, machine } from './measure/machine.ts'
import { printAgents } from './print-agents.ts'
import { printBilling } from './print-billing.ts'
import { printCapacity } from './print-capacity.ts'
import { printFunctions } from './print-functions.ts'
import { printGateway } from './print-gateway.ts'
import { printLadder } from './print-ladder.ts'
import { printSandbox } from './print-sandbox.ts'
import { printSoak } from './print-soak.ts'
import { benchSandbox } from './sandbox.ts'
import { benchSoak } from './soak.ts'

const usage = `usage: npm run bench -- sandbox [--quick] [--json] [--density N] [--driver NAME] [--url URL]
       npm run bench -- first-start [--json]
       npm run bench -- ladder [--quick] [--json] [--url URL]
       npm run bench -- interpreter [--quick] [--json] [--url URL]
       npm run bench -- e2b [--quick] [--driver NAME] [--json]
       npm run bench -- soak [--minutes N] [--json]
       npm run bench -- capacity [--paused N] [--live N] [--driver NAME] [--json]
       npm run bench -- functions [--quick] [--only PART,…] [--driver NAME] [--json]
       npm run bench -- gateway [--quick] [--json]
       npm run bench -- agents [--only PART,…] [--quick] [--json]
       npm run bench -- codebase [--quick] [--json]
       npm run bench -- billing [--quick] [--kills N] [--json]
       npm run bench -- forecast|keepalive|autoscale --traces DIR [--json]

Starts a platform of its own in a temporary folder and measures it from outside its process.
sandbox measures how fast and how small sandboxes are, first-start how long a fresh clone takes to its first output, ladder what the runtimes can beside running them, interpreter
how fast code interpreters are, e2b what programs written for E2B meet, with its released client, soak whether anything grows while they come and go, capacity how many can be there at once,
functions how fast functions start and answer, gateway what a request passes on its way in, both with a bare HTTP server
beside it, agents how fast they find what was experienced, read code and what a step of a run costs, codebase how they read
code alone.
forecast, keepalive and autoscale start nothing: they score how calls of functions are foreseen, on recorded ones.
  --quick      few samples: shows that it works, not how fast
  --json       one JSON document on stdout
  --density N  how many idle sandboxes to weigh (default 100)
  --only PART,… only these parts of functions: ${functionSections.join(', ')}; of agents: ${agentParts.join(', ')}
  --driver D   the runtime to measure; others are reported beside it
  --url URL    measure this server instead; its key comes from WARREN_API_KEY
  --minutes N  how long to soak (default 10)
  --paused N   how many to pause (default 1000)
  --live N     how many to let run beside them (default 500)
  --kills N    how often to kill what works with money (default 0; the promise is about 50)
  --traces DIR the folder of the recorded calls (.csv, .csv.gz)
`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    density: { type: 'string' },
    driver: { type: 'string' },
    only: { type: 'string' },
    url: { type: 'string' },
    paused: { type: 'string', default: '1000' },
    live: { type: 'string', default: '500' },
    kills: { type: 'string', default: '0' },
    minutes: { type: 'string', default: '10' },
    traces: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const [bench] = positionals
const wanted = Number(values.density ?? (values.quick ? 20 : 100))
const minutes = Number(values.minutes)
const only = values.only?.split(',')
const parts = { functions: functionSections, agents: agentParts }[bench ?? ''] ?? []
const isOnly = only?.every((one) => parts.some((known) => known === one)) ?? true
const [paused, live] = [Number(values.paused), Number(values.live)]
const foreseen = forecastBenches.find((name) => name === bench)
const isKnown = [
  'sandbox',
  'first-start',
  'ladder',
  'interpreter',
  'e2b',
  'soak',
  'capacity',
  'functions',
  'gateway',
  'agents',
  'codebase',
  'billing',
  ...forecastBenches,
].includes(bench ?? '')
const isWhole = positionals.length === 1 && isKnown && (foreseen === undefined || values.traces !== undefined)
if (values.help || !isWhole || !isOnly || !(wanted >= 1) || !(minutes > 0) || !(paused >= 1) || !(live >= 1)) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}

const before = machine()
const { quick, driver, url } = values
const tell = (line: string) => void process.stderr.write(`bench: ${line}\n`)
if (foreseen) {
  const report = benchForecasts(foreseen, { traces: values.traces!, tell })
  show(report, () => printForecasts(report), machine())
  process.exit()
}
if (bench === 'first-start') {
  const report = await benchFirstStart({ tell })
  show(report, () => printFirstStart(report, before.load), machine())
  process.exit(report.first.met && report.second.met ? 0 : 1)
}
if (bench === 'ladder' || bench === 'interpreter') {
  const report = await benchLadder({ bench, quick, url, tell })
  const after = machine()
  show(report, () => printLadder(report, before, after), after)
  process.exit()
}
if (bench === 'e2b') {
  const report = await benchE2b({ driver, quick, tell })
  const after = machine()
  show(report, () => printLadder(report, before, after), after)
  process.exit()
}
if (bench === 'functions') {
  const report = await benchFunctions({ driver, quick, only, tell })
  const after = machine()
  show(report, () => printFunctions(report, before, after), after)
  process.exit()
}
if (bench === 'gateway') {
  const report = await benchGateway({ quick, tell })
  const after = machine()
  show(report, () => printGateway(report, before, after), after)
  process.exit()
}
if (bench === 'agents' || bench === 'codebase') {
  const report = await (bench === 'agents' ? benchAgents({ quick, only, tell }) : benchCodebase({ quick, tell }))
  const after = machine()
  show(report, () => printAgents(report, before, after), after)
  process.exit()
}
if (bench === 'capacity') {
  const report = await benchCapacity({ paused, live, driver, tell })
  const after = machine()
  show(report, () => printCapacity(report, before, after), after)
  process.exit(report.paused.reached === paused && report.live.reached === live ? 0 : 1)
}
if (bench === 'billing') {
  const report = await benchBilling({ quick, kills: Number(values.kills), tell })
  const after = machine()
  show(report, () => printBilling(report, before, after), after)
  process.exit(report.verification.difference === 0 && (report.chaos?.difference ?? 0) === 0 ? 0 : 1)
}
if (bench === 'soak') {
  const report = await benchSoak({ minutes, longLived: 20, tell })
  const after = machine()
  show(report, () => printSoak(report, before, after), after)
  const failed = report.lost.length > 0 || report.trends.some(({ verdict }) => verdict === 'growing')
  process.exit(failed ? 1 : 0)
}
const report = await benchSandbox({ quick, driver, url, density: wanted, tell })
const after = machine()
show(report, () => printSandbox(report, before, after), after)
process.exit()

function show(report: object, asTable: () => string, after: Machine): void {
  const json = () => `${JSON.stringify({ ...report, machine: before, loadAfter: after.load }, null, 2)}\n`
  process.stdout.write(values.json ? json() : asTable())
}
