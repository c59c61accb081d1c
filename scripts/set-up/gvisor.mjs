import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fetchProgram } from './debian-package.mjs'
import { findCommand } from './debian-packages.mjs'
import { root } from './root.mjs'
import { run } from './run.mjs'
import { tell } from './tell.mjs'

/** The first release with systrap, the way of running programs that needs no hardware and that sandboxes are started with. */
const oldestRelease = 20230600
/** After a failure the next attempt is at the earliest this much later: an offline machine shall not wait at every start. */
const retryMs = 24 * 3_600_000
/** Longest time for the whole of it: somebody waits for the first sandbox. */
const deadlineMs = 60_000

/**
 * Fetches gVisor for the platform into its own folder, where the system has none that is recent enough. Only for root, for
 * the driver needs it. Never throws: what cannot be had is told, and sandboxes are isolated by the next weaker runtime.
 */
export async function fetchGvisor() {
  if (process.getuid() !== 0) return
  await fetchInto(
    resolve(process.env.WARREN_HOME || '/var/lib/warren', 'tools'),
    'without it the host kernel is shared',
  )
}

/** The same for the tests, into the clone. */
export async function fetchTestGvisor() {
  if (process.getuid() !== 0) return
  await fetchInto(`${root}/.cache/tools`, 'it is not tested')
}

async function fetchInto(folder, cost) {
  const failure = `${folder}/runsc.failed`
  try {
    if (existsSync(`${folder}/runsc`) || (await systemHasIt())) return
    if (isRecent(failure)) {
      const reason = readFileSync(failure, 'utf8')
      return tell(`gVisor is missing (${cost}): ${reason}. Tried again a day later, or after rm ${failure}`)
    }
    // The folder of the platform is its owner's alone.
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const why = await fetchProgram({ name: 'runsc', path: '/usr/bin/runsc', isWanted, into: folder, deadlineMs })
    rmSync(failure, { force: true })
    if (!why) return tell(`fetched gVisor (runsc) into ${folder}`)
    writeFileSync(failure, why)
    tell(`gVisor could not be fetched (${cost}): ${why}`)
  } catch (error) {
    tell(`gVisor could not be fetched (${cost}): ${error.message}`)
  }
}

async function systemHasIt() {
  const command = findCommand('runsc')
  return command !== undefined && isWanted((await run(command, ['--version'])).output)
}

/** Of a version as Debian or the program itself writes it: each has the day of the release in it. */
function isWanted(version) {
  return Number(/\d{8}/.exec(version)?.[0] ?? 0) >= oldestRelease
}

function isRecent(file) {
  return existsSync(file) && Date.now() - statSync(file).mtimeMs < retryMs
}
