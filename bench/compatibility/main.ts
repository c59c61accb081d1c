// npm run compatibility: runs common programs in each template on each runtime of this host, and writes docs/compatibility*.md.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { platformTemplates } from '../../platform/src/templates/platform-templates.ts'
import { Client } from '../measure/client.ts'
import { startPlatform, withTools } from '../measure/platform.ts'
import { page } from './page.ts'
import { programs } from './programs.ts'
import { complete, readResults, withPair, writeResults } from './results.ts'
import { runPair } from './run.ts'

const usage = `usage: npm run compatibility [-- [--templates NAME,…] [--runtimes NAME,…] [--again] [--page]]

Runs each program in each template on each runtime, in a platform of its own in a temporary folder. What has run is kept in
bench/compatibility/results.json pair by pair, and is not run again: who breaks off goes on with the next pair.
  --templates NAME,…  these, also what is built only when it is asked for (default: all that the platform builds by itself)
  --runtimes NAME,…   these (default: all that work here; what is emulated takes hours)
  --again             also pairs that have run
  --page              only write the pages from what has run
`

const { values } = parseArgs({
  options: {
    templates: { type: 'string' },
    runtimes: { type: 'string' },
    again: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(usage)
  process.exit()
}

const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const tell = (line: string) => process.stderr.write(`compatibility: ${line}\n`)
const templates = ['base', ...platformTemplates.map(({ name }) => name)]
const usual = templates.filter((name) => !platformTemplates.some((one) => one.name === name && one.onDemand))
const wanted = values.templates?.split(',') ?? usual
const unknown = wanted.find((name) => !templates.includes(name))
if (unknown !== undefined) {
  tell(`there is no template "${unknown}" of the platform: ${templates.join(', ')}`)
  process.exit(2)
}

let results = await readResults()
if (!values.page) await runAll()
await writePages()
process.exit()

async function runAll(): Promise<void> {
  // On demand, `base` would stand in for what is built beforehand, where it can.
  const isBuilt = wanted.some((name) => name !== 'base')
  const platform = await startPlatform({ WARREN_TEMPLATES: isBuilt ? 'background' : 'on-demand' }, withTools)
  const leave = () => void platform.stop().finally(() => process.exit(130))
  process.once('SIGINT', leave)
  process.once('SIGTERM', leave)
  try {
    const client = await Client.open(platform)
    const runtimes = await runtimesOf(client, platform.own!.home)
    results = {
      ...results,
      runtimes: runtimes.map(({ driver, missing }) => (missing ? { driver, missing } : { driver })),
    }
    const chosen = runtimes.filter((runtime) => !runtime.missing && isChosen(runtime))
    const pairs = wanted.flatMap((template) => chosen.map((runtime) => ({ template, ...runtime })))
    const due = pairs.filter((pair) => values.again || !complete(results, pair, programs))
    tell(`${due.length} of ${pairs.length} pairs are to be run`)
    for (const [index, pair] of due.entries()) await runOne(client, pair, `pair ${index + 1} of ${due.length}`)
    client.close()
  } finally {
    await platform.stop()
  }
}

async function runOne(client: Client, pair: Runtime & { template: string }, which: string): Promise<void> {
  const { template, driver, emulated, reason } = pair
  const where = `${which}: ${template}, ${driver}`
  try {
    await built(client, template)
    const ran = await runPair(client, pair, (line) => tell(`${where}: ${line}`))
    if (ran.refused !== undefined) tell(`${where}: refused: ${ran.refused}`)
    const at = new Date().toISOString().slice(0, 10)
    const runtime = reason.replace(/, booted in .*$/, '')
    results = withPair(results, { template, driver, at, host: hostName(), runtime, emulated, ...ran })
    await writeResults(results)
    await writePages()
  } catch (error) {
    tell(`${where}: could not be run: ${(error as Error).message}`)
    process.exitCode = 1
  }
}

/** Waits for a template that the platform builds by itself: until then another may stand in for it. */
async function built(client: Client, template: string): Promise<void> {
  if (!platformTemplates.some(({ name, onDemand }) => name === template && !onDemand)) return
  for (let told = ''; ; await sleep(1000)) {
    const state = await client.templateState(template)
    if (state === 'ready') return
    if (state === 'error') throw new Error(`the template cannot be built here`)
    if (state !== told) tell(`${template} is ${state}`)
    told = state
  }
}

interface Runtime {
  driver: string
  emulated: boolean
  reason: string
  missing?: string
}

function isChosen({ driver }: { driver: string }): boolean {
  return values.runtimes?.split(',').includes(driver) ?? true
}

/** What only emulates is booted when somebody asks for it, so it is asked for. */
async function runtimesOf(client: Client, home: string): Promise<Runtime[]> {
  const isUntried = ({ reason }: { reason: string }) => /; is booted when /.test(reason)
  for (const { driver } of (await client.runtimes()).filter((runtime) => isUntried(runtime) && isChosen(runtime))) {
    tell(`${driver} is booted`)
    const sandbox = await client.create({ isolation: { driver } }).catch(() => undefined)
    if (sandbox) await client.remove(sandbox.id)
  }
  return (await client.runtimes())
    .filter(({ isolation }) => isolation !== 'none')
    .map(({ driver, healthy, reason: said }) => {
      const reason = said.replaceAll(home, '$WARREN_HOME')
      const isThere = healthy || (isUntried({ reason }) && !isChosen({ driver }))
      return { driver, emulated: /emulated in software/.test(reason), reason, ...(isThere ? {} : { missing: reason }) }
    })
}

function hostName(): string {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  return `${system}, Linux ${release()}`
}

async function writePages(): Promise<void> {
  await writeFile(`${docs}compatibility.md`, page('en', results, { templates, programs }))
  await writeFile(`${docs}compatibility.zh-CN.md`, page('zh', results, { templates, programs }))
}
