import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { shortSize } from '../../output/quantity.ts'

export function addBackup(root: Command): void {
  const backup = root.command('backup').description(text.backup).enablePositionalOptions()
  backup.helpCommand('help [command]', text.helpCommand)
  backup
    .command('create')
    .description(text.backupCreate)
    .argument('[file]', text.argumentNewBackup)
    .option('--with <names>', text.optionWith)
    .option('--json', text.optionJson)
    .action(create)
  for (const [name, description, action] of [
    ['verify', text.backupVerify, verify],
    ['restore', text.backupRestore, restore],
  ] as const)
    backup
      .command(name)
      .description(description)
      .argument('<file>', text.argumentBackupFile)
      .option('--json', text.optionJson)
      .action(action)
}

const large = ['volumes', 'snapshots', 'templates'] as const
type Large = (typeof large)[number]

async function create(file: string | undefined, options: { with?: string; json?: boolean }): Promise<void> {
  const wanted = namesOf(options.with)
  const now = new Date()
  const path = file ?? `warren-backup-${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}.tar`
  const made = await withProgress(text.backingUp, () =>
    ours(async () => {
      const { createBackup } = await import('../../../../platform/src/storage/backup/create.ts')
      return createBackup({ ...(await place()), path, with: wanted, now })
    }),
  )
  const { createdAt, live, tables, folders, leftOut, missingCode } = made.manifest
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const taken = folders.map(({ name }) => name)
  const { bytes } = made
  if (options.json)
    return printJson({ path: made.path, bytes, createdAt, live, rows, with: taken, leftOut, missingCode })
  const lines = [text.backupMade(made.path, shortSize(bytes), rows)]
  if (taken.length > 0) lines.push(text.backupHolds(taken.join(', ')))
  for (const { name, bytes } of leftOut) lines.push(text.backupLeftOut(name, shortSize(bytes)))
  if (missingCode.length > 0) lines.push(text.backupMissingCode(missingCode.length))
  if (live && taken.includes('volumes')) lines.push(text.backupLiveVolumes)
  process.stdout.write(`${[...lines, text.backupSecret].join('\n')}\n`)
}

/** Exits 0 exactly when nothing in it has changed. */
async function verify(path: string, { json }: { json?: boolean }): Promise<void> {
  const { manifest, problems } = await withProgress(text.checkingBackup, () =>
    ours(async () => {
      const { verifyBackup } = await import('../../../../platform/src/storage/backup/verify.ts')
      return verifyBackup(path)
    }),
  )
  const ok = problems.length === 0
  process.exitCode = ok ? 0 : 1
  const { createdAt, parts } = manifest
  if (json) return printJson({ ok, createdAt, parts: parts.length, problems })
  if (ok) process.stdout.write(`${text.backupGood(parts.length, createdAt)}\n`)
  else process.stdout.write(`${[text.backupBad, ...problems.map((problem) => `  ${problem}`)].join('\n')}\n`)
}

async function restore(path: string, { json }: { json?: boolean }): Promise<void> {
  const { home, ...rest } = await place()
  const { createdAt, leftOut } = await withProgress(text.restoring, () =>
    ours(async () => {
      const { restoreBackup } = await import('../../../../platform/src/storage/backup/restore.ts')
      return restoreBackup({ ...rest, home, path })
    }),
  )
  if (json) return printJson({ home, createdAt, leftOut })
  process.stdout.write(`${text.restored(home)}\n`)
}

/** The installation that the environment names, as the platform reads it. */
async function place() {
  const [{ readConfig }, { createLogger }] = await Promise.all([
    import('../../../../platform/src/config.ts'),
    import('../../../../platform/src/telemetry/logger.ts'),
  ])
  const { home, databaseUrl } = readConfig()
  return { home, databaseUrl, logger: createLogger('warn') }
}

function namesOf(given: string | undefined): Large[] {
  if (given === undefined) return []
  return given.split(',').flatMap((name) => {
    const known = large.find((one) => one === name.trim())
    if (known) return [known]
    if (name.trim() === 'all') return [...large]
    throw new WarrenError('invalid_request', text.badWith(name))
  })
}

/** Errors of the platform as those of the SDK, which the command line explains. */
async function ours<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { name, code, message, hint } = error as WarrenError
    throw name === 'WarrenError'
      ? new WarrenError(code, message, hint ? { hint, cause: error } : { cause: error })
      : error
  }
}
