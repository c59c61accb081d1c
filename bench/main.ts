import { parseArgs } from 'node:util'
import { machine } from './measure/machine.ts'
import { printSandbox } from './print-sandbox.ts'
import { benchSandbox } from './sandbox.ts'

const usage = `usage: npm run bench -- sandbox [--quick] [--json] [--density N] [--driver NAME] [--url URL]

Starts a platform of its own in a temporary folder and measures it from outside its process.
  --quick      few samples: shows that it works, not how fast
  --json       one JSON document on stdout
  --density N  how many idle sandboxes to weigh (default 100)
  --driver D   the runtime to measure; others are reported beside it
  --url URL    measure this server instead; its key comes from WARREN_API_KEY
`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    density: { type: 'string' },
    driver: { type: 'string' },
    url: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const wanted = Number(values.density ?? (values.quick ? 20 : 100))
if (values.help || positionals.length !== 1 || positionals[0] !== 'sandbox' || !(wanted >= 1)) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}

const before = machine()
const { quick, driver, url } = values
const report = await benchSandbox({
  quick,
  driver,
  url,
  density: wanted,
  tell: (line) => process.stderr.write(`bench: ${line}\n`),
})
const after = machine()
process.stdout.write(
  values.json
    ? `${JSON.stringify({ ...report, machine: before, loadAfter: after.load }, null, 2)}\n`
    : printSandbox(report, before, after),
)
process.exit()
