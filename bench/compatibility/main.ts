// npm run compatibility: runs common programs in a sandbox of each runtime of this host, and writes docs/compatibility*.md.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Client } from '../measure/client.ts'
import { startPlatform, withTools } from '../measure/platform.ts'
import { type Facts, page } from './page.ts'
import { runPrograms } from './run.ts'

const template = 'base'
const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const tell = (line: string) => process.stderr.write(`compatibility: ${line}\n`)

const platform = await startPlatform({}, withTools)
try {
  const client = await Client.open(platform)
  const runtimes = (await client.runtimes()).filter(({ healthy, isolation }) => healthy && isolation !== 'none')
  const verdicts = await runPrograms(client, { template, drivers: runtimes.map(({ driver }) => driver), tell })
  client.close()
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  const facts: Facts = { template, at: new Date().toISOString().slice(0, 10), kernel: release(), system, runtimes }
  await writeFile(`${docs}compatibility.md`, page('en', facts, verdicts))
  await writeFile(`${docs}compatibility.zh-CN.md`, page('zh', facts, verdicts))
  tell('wrote docs/compatibility.md and docs/compatibility.zh-CN.md')
} finally {
  await platform.stop()
}
process.exit()
