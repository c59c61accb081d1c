import type { Account } from '../accounts/account.ts'
import type { Config } from '../config.ts'
import type { Engine, Instance } from '../engine/engine.ts'
import type { VolumeFiles } from '../engine/volume-files.ts'
import { WarrenError } from '../errors.ts'
import type { MountedVolume, MountVolume } from '../sandboxes/volumes.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { VolumeContent } from './content.ts'
import { createVolume } from './create.ts'
import { getVolume } from './get.ts'
import { volumeMounts } from './mounts.ts'
import { recoverVolumes } from './recover.ts'
import { removeVolume } from './remove.ts'
import { VolumeStore } from './store.ts'
import type { CreateVolume, Volume } from './volume.ts'

export interface VolumeDeps {
  store: VolumeStore
  files: VolumeFiles
  content: VolumeContent
  config: Pick<Config, 'quotas'>
  /** Ids of the sandboxes that have a volume. */
  sandboxesWith: (volumeId: string) => Promise<string[]>
  now: () => Date
  /** Volumes that some call of this process is making or deleting. */
  busy: Set<string>
}

interface VolumesOptions extends Pick<VolumeDeps, 'now' | 'sandboxesWith'> {
  db: Database
  engine: Engine
  config: Pick<Config, 'defaultLimits' | 'quotas'>
  logger: Logger
}

/** Everything that can be done with volumes. One verb a line, each in the file named like it. */
export function createVolumes({ db, engine, config, logger, ...given }: VolumesOptions) {
  const content = new VolumeContent({ engine, config, logger })
  const store = new VolumeStore(db)
  const deps: VolumeDeps = { ...given, config, store, files: engine.volumes, content, busy: new Set() }
  return {
    create: (account: Account, input: CreateVolume): Promise<Volume> => createVolume(deps, account, input),
    list: (account: Account): Promise<Volume[]> => deps.store.list(account.id),
    get: (account: Account, idOrName: string): Promise<Volume> => getVolume(deps, account, idOrName),
    remove: (account: Account, idOrName: string): Promise<void> => removeVolume(deps, account, idOrName),
    mounts: (account: Account, asked: readonly MountVolume[]): Promise<MountedVolume[]> =>
      volumeMounts(deps, account, asked),
    /** Of which account it is, for a caller that has shown its right to it. Throws `not_found`. */
    ownerOf: async (id: string): Promise<string> => (await found(deps, id)).accountId,
    /** Work on what is in a volume, for a caller that has shown its right to it. Throws `not_found`. */
    content: async <T>(id: string, work: (instance: Instance) => Promise<T>): Promise<T> => {
      await found(deps, id)
      return content.use(id, work)
    },
    /** At start, before anything else is asked for. */
    recover: (): Promise<void> => recoverVolumes(deps),
    close: (): Promise<void> => content.closeAll(),
  }
}

async function found({ store }: VolumeDeps, id: string): Promise<Volume> {
  const volume = /^[a-z0-9]{1,64}$/.test(id) ? await store.findAnywhere(id) : undefined
  if (!volume) throw new WarrenError('not_found', 'there is no such volume')
  return volume
}

export type Volumes = ReturnType<typeof createVolumes>
