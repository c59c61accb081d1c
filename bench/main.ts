import { parseArgs } from 'node:util'
import { benchLadder } from './ladder.ts'
import { type Machine, machine } from './measure/machine.ts'
import { printLadder } from './print-ladder.ts'
import { printSandbox } from './print-sandbox.ts'
import { printSoak } from './print-soak.ts'
import { benchSandbox } from './sandbox.ts'
import { benchSoak } from './soak.ts'

const usage = `usage: npm run bench -- sandbox [--quick] [--json] [--density N] [--driver NAME] [--url URL]
       npm run bench -- ladder [--quick] [--json] [--url URL]
       npm run bench -- soak [--minutes N] [--json]

Starts a platform of its own in a temporary folder and measures it from outside its process.
sandbox measures how fast and how small sandboxes are, ladder what the runtimes can beside running them, soak whether
anything grows while they come and go.
  --quick      few samples: shows that it works, not how fast
  --json       one JSON document on stdout
  --density N  how many idle sandboxes to weigh (default 100)
  --driver D   the runtime to measure; others are reported beside it
  --url URL    measure this server instead; its key comes from WARREN_API_KEY
  --minutes N  how long to soak (default 10)
`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    density: { type: 'string' },
    driver: { type: 'string' },
    url: { type: 'string' },
    minutes: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
})

const [bench] = positionals
const wanted = Number(values.density ?? (values.quick ? 20 : 100))
const minutes = Number(values.minutes)
const isKnown = positionals.length === 1 && ['sandbox', 'ladder', 'soak'].includes(bench!)
if (values.help || !isKnown || !(wanted >= 1) || !(minutes > 0)) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}

const before = machine()
const { quick, driver, url } = values
const tell = (line: string) => void process.stderr.write(`bench: ${line}\n`)
if (bench === 'ladder') {
  const report = await benchLadder({ quick, url, tell })
  const after = machine()
  show(report, () => printLadder(report, before, after), after)
  process.exit()
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
