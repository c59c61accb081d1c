import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const setUp = fileURLToPath(new URL('../set-up.mjs', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'warren-set-up-test-'))
after(() => rm(folder, { recursive: true, force: true }))

// An apt that reaches nothing, and leaves a line whenever it is asked.
const calls = join(folder, 'calls')
await mkdir(join(folder, 'bin'))
for (const name of ['apt-get', 'apt-cache']) {
  const program = join(folder, 'bin', name)
  await writeFile(program, `#!/bin/sh\necho "$0 $*" >> ${calls}\necho "E: no way to the archive"\nexit 100\n`)
  await chmod(program, 0o755)
}

const skip = process.getuid!() !== 0 && 'gVisor is fetched for root only'

/** What set-up tells of gVisor, and how often it asked apt. */
async function start(home: string): Promise<{ told: string[]; asked: number }> {
  await writeFile(calls, '')
  const env = { ...process.env, PATH: `${folder}/bin:${process.env.PATH}`, WARREN_HOME: home }
  const { stderr } = await promisify(execFile)(process.execPath, [setUp], { env })
  const asked = (await readFile(calls, 'utf8')).split('\n').length - 1
  return { told: stderr.split('\n').filter((line) => line.includes('gVisor')), asked }
}

test('what cannot be fetched is told in one line, passed over, and not tried again at once', { skip }, async () => {
  const home = join(folder, 'without')
  const first = await start(home)
  assert.equal(first.told.length, 1)
  assert.match(first.told[0]!, /could not be fetched .*no way to the archive/)
  assert.ok(first.asked > 0)
  const second = await start(home)
  assert.match(second.told[0]!, /is missing .*no way to the archive.*Tried again a day later/)
  assert.equal(second.asked, 0)
})

test('where it is there nothing is done and nothing is told', { skip }, async () => {
  const home = join(folder, 'with')
  await mkdir(join(home, 'tools'), { recursive: true })
  await writeFile(join(home, 'tools/runsc'), '')
  assert.deepEqual(await start(home), { told: [], asked: 0 })
})
