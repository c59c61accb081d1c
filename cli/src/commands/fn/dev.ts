import { createHash } from 'node:crypto'
import { stat, watch } from 'node:fs/promises'
import { hostname, userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { explain } from '../../explain.ts'
import { nameOf } from '../../functions/read-source.ts'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'
import { type DeployFlags, deployPath, withDeployOptions } from './deploy.ts'
import { followLogs } from './logs.ts'

/** Editors write in several steps: what changes within so long is one change, milliseconds. */
const restMs = 100
const mostNameLength = 64
const notWatched = /(^|\/)(node_modules|\.git|__pycache__)(\/|$)/

export function addDev(parent: Command): void {
  withDeployOptions(parent.command('dev').description(text.fnDev).argument('<path>', text.argumentSource)).action(dev)
}

/**
 * Deploys at each change and shows the log: what runs is what production would run, as a function of its own, so that nothing of
 * the one that is in use changes. At the end it is deleted.
 */
async function dev(path: string, flags: DeployFlags): Promise<void> {
  const { signal, exitCode } = interruption()
  const name = devName(flags.name ?? nameOf(path), path)
  const again = async (): Promise<void> => {
    const { latest, url } = await deployPath(path, { ...flags, name })
    process.stderr.write(`${text.deployed(name, latest)}\n`)
    if (latest === 1) process.stderr.write(`${url}\n`)
  }
  const folder = (await stat(path)).isDirectory() ? path : dirname(path)
  // From before the first deployment on, so that no change is missed.
  const changes = watch(folder, { recursive: true, signal })
  try {
    await again()
    void followLogs(name, { signal }).catch((error) => explain(error, false))
    await deployAtChanges(changes, () => again().catch((error) => explain(error, false)))
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await server().functions.delete(name).catch(unlessGone)
  }
  process.exitCode = exitCode()
}

/** Resolves when nothing is deployed any more. */
async function deployAtChanges(changes: AsyncIterable<{ filename: string | null }>, deploy: () => Promise<void>) {
  let last = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  try {
    for await (const { filename } of changes) {
      if (filename && notWatched.test(filename)) continue
      clearTimeout(timer)
      timer = setTimeout(() => {
        last = last.then(deploy)
      }, restMs)
    }
  } finally {
    clearTimeout(timer)
    await last
  }
}

/** The same each time for the same code of the same person, so that what a killed process left is taken up by the next. */
function devName(name: string, path: string): string {
  const from = createHash('sha256').update(`${hostname()}\0${userInfo().uid}\0${resolve(path)}\0${name}`)
  const ending = `-dev-${from.digest('hex').slice(0, 8)}`
  return name.slice(0, mostNameLength - ending.length) + ending
}

function unlessGone(error: unknown): void {
  if (!(error instanceof WarrenError && error.code === 'not_found')) throw error
}
