import { isDeepStrictEqual } from 'node:util'
import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { inTime } from '../lib/in-time.ts'
import { buildCode } from './code/build.ts'
import type { Code } from './code/code-store.ts'
import { readSourceFiles } from './code/source-files.ts'
import {
  type CompleteSettings,
  checkName,
  completeSettings,
  type DeployFunction,
  type FunctionVersion,
} from './function.ts'
import type { FunctionDeps } from './functions.ts'
import { LoadFailed } from './worker/load-failed.ts'

/** From that size on what V8 has made of the code is kept beside it, bytes. */
const cachedFromBytes = 100_000
/** So long the code may take to load when it is deployed, milliseconds. */
const loadMs = 30_000

/**
 * Makes a version of `name`, unless the newest one is the same. The code is loaded once in a sandbox, so what cannot be
 * loaded is refused here: then nothing is recorded, and calls go where they went.
 */
export async function deployFunction(
  deps: FunctionDeps,
  account: Account,
  { name, runtime, files, entry, settings: given = {}, publish = true }: DeployFunction & { name: string },
  signal: AbortSignal,
): Promise<FunctionVersion> {
  checkName('a function', name)
  const settings = completeSettings(given)
  if (settings.preload.length > 0 && runtime !== 'python3')
    throw new WarrenError('invalid_request', `preload names modules of Python, and the runtime is ${runtime}`)
  await checkSettings(deps, account, settings)
  const code = await buildCode(runtime, readSourceFiles(files), entry)
  const codeName = deps.code.nameOf(account.id, runtime, code)
  const newest = await newestOf(deps, account, name)
  if (newest?.code === codeName && newest.runtime === runtime && isDeepStrictEqual(newest.settings, settings))
    return newest

  const ready = await tryToLoad(deps, { account, name, code, runtime, settings }, signal)
  const made = { runtime, code: codeName, codeBytes: code.bytes.length, settings, publish }
  const version = await deps.code.keep(codeName, ready, () => deps.store.addVersion(account.id, name, made))
  deps.pool.use({ runtime, preload: settings.preload })
  if (publish) await retireOthers(deps, version)
  return version
}

/** Instances that no call comes to any more, unless it asks for their version. */
async function retireOthers({ store, fleet }: FunctionDeps, { functionId }: FunctionVersion): Promise<void> {
  const known = await store.byId(functionId)
  if (!known) return
  const targets = [...known.record.live, ...[...known.aliases.values()].flatMap((alias) => alias.targets)]
  fleet.retire(functionId, new Set(targets.map(({ version }) => version)))
}

async function newestOf({ store }: FunctionDeps, { id }: Account, name: string): Promise<FunctionVersion | undefined> {
  try {
    const { record, versions } = await store.get(id, name)
    return versions.get(record.lastVersion)
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not_found') return undefined
    throw error
  }
}

async function checkSettings(
  { resolveSecrets }: FunctionDeps,
  { id }: Account,
  settings: CompleteSettings,
): Promise<void> {
  const { secrets, onSuccess, onFailure, minInstances, maxInstances } = settings
  if (minInstances > maxInstances)
    throw new WarrenError(
      'invalid_request',
      `minInstances is ${minInstances}, over maxInstances, which is ${maxInstances}`,
    )
  if (secrets.length > 0) {
    if (!resolveSecrets) throw new WarrenError('unavailable', 'there are no secrets on this platform')
    await resolveSecrets(id, secrets)
  }
  for (const [name, destination] of Object.entries({ onSuccess, onFailure }))
    if (destination && Object.keys(destination).length !== 1)
      throw new WarrenError('invalid_request', `${name} names either a function or a queue`)
}

/** The code with what a worker made of it. Throws `invalid_request` with the reason where it does not load. */
async function tryToLoad(
  { fleet, pool }: FunctionDeps,
  {
    account,
    name,
    code,
    runtime,
    settings,
  }: { account: Account; name: string; code: Code; runtime: DeployFunction['runtime']; settings: CompleteSettings },
  signal: AbortSignal,
): Promise<Code> {
  const wantsCache = code.head.sourceBytes >= cachedFromBytes
  const { worker } = await fleet.startWith({ accountId: account.id, name }, { runtime, version: 0, settings }, code, {
    signal,
    wantsCache,
  })
  try {
    const cache = await inTime(worker.loaded, loadMs, late)
    if (cache.length === 0) return code
    const { sourceBytes } = code.head
    return {
      head: { ...code.head, cacheBytes: cache.length },
      bytes: Buffer.concat([code.bytes.subarray(0, sourceBytes), cache, code.bytes.subarray(sourceBytes)]),
    }
  } catch (error) {
    if (!(error instanceof LoadFailed)) throw error
    const { reason, message, stack } = error.failure
    throw new WarrenError('invalid_request', `the code cannot be loaded: ${message}`, {
      hint:
        reason === 'missing_handler'
          ? 'Export the handler, or name it with the setting `handler`.'
          : 'See details.stack.',
      details: { reason, ...(stack === undefined ? {} : { stack }) },
    })
  } finally {
    void pool.end(worker)
  }
}

function late(): LoadFailed {
  return new LoadFailed({ reason: 'timeout', message: `the code was not loaded within ${loadMs / 1000} s` })
}
