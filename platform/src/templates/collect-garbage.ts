import type { Config } from '../config.ts'
import type { Engine } from '../engine/engine.ts'
import type { TemplateRecords } from './template-records.ts'
import type { TemplateUses } from './template-uses.ts'
import type { Uploads } from './uploads.ts'

/** What was deleted may still be starting; milliseconds. */
const graceMs = 600_000

/** Removes builds, layers and uploads that nothing needs any more. Not while anything is being built. */
export async function collectGarbage(
  {
    records,
    uses,
    engine,
    uploads,
    starts,
  }: {
    records: TemplateRecords
    uses: TemplateUses
    engine: Engine
    uploads: Uploads
    starts: Config['templateStarts']
  },
  now: Date,
): Promise<void> {
  // Events are kept until they are counted.
  await uses.catchUp()
  const inUse = await engine.templatesInUse()
  await records.forget(new Date(now.getTime() - graceMs), [...inUse])
  const builds = await records.buildIds()
  for (const build of inUse) builds.add(build)
  await engine.images.keepOnly({ builds, layers: await engine.images.steps.collect(now.getTime()) })
  // A large file each, and without it a sandbox only starts anew: what a later build has replaced needs none.
  await engine.saved.keepStarts(starts === 'anew' ? new Set() : await records.taggedBuildIds())
  await uploads.collect(now.getTime())
}
