import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Account } from '../accounts/account.ts'
import type { Config } from '../config.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Bucket, BucketObject, CreateBucket } from './bucket.ts'
import type { Condition } from './condition.ts'
import { diskContents } from './contents/disk.ts'
import type { Contents } from './contents.ts'
import { createBucket } from './create.ts'
import { getBucket, getSignedBucket } from './get.ts'
import { getObject, readObject } from './get-object.ts'
import { type ListObjects, listObjects, type ObjectPage } from './list-objects.ts'
import { type PutObject, putObject } from './put-object.ts'
import { removeObject } from './remove-object.ts'
import { type Signature, SignedAddresses, type SignedMethod, type SignObject } from './signed-address.ts'
import { BucketStore } from './store.ts'
import { startSweep } from './sweep.ts'

export interface BucketDeps {
  store: BucketStore
  contents: Contents
  config: Pick<Config, 'quotas' | 'buckets'>
  now: () => Date
  logger: Logger
}

interface BucketsOptions extends Pick<BucketDeps, 'config' | 'now' | 'logger'> {
  db: Database
  home: string
  /** What signed addresses are signed with. */
  seed: string
  /** Address of the platform, which stands before what is signed. */
  publicUrl: () => string
}

/** Everything that can be done with buckets and the objects in them. One verb a line, each in the file named like it. */
export async function openBuckets({ db, home, seed, publicUrl, ...given }: BucketsOptions) {
  const { s3 } = given.config.buckets
  // Its client is loaded only where it is used.
  const contents = s3 ? (await import('./contents/s3.ts')).s3Contents(s3) : diskContents(join(home, 'buckets'))
  const writer = createHash('sha256').update(home).digest('hex').slice(0, 16)
  const deps: BucketDeps = { ...given, store: new BucketStore(db, writer), contents }
  const { store, now } = deps
  const addresses = new SignedAddresses(seed)
  let stopSweep = async () => {}
  return {
    create: (account: Account, input: CreateBucket): Promise<Bucket> => createBucket(deps, account, input),
    list: (account: Account): Promise<Bucket[]> => store.list(account.id),
    get: (account: Account, name: string): Promise<Bucket> => getBucket(deps, account.id, name),
    /** The same for who knows the account by its id alone. */
    find: (accountId: string, name: string): Promise<Bucket> => getBucket(deps, accountId, name),
    remove: async (account: Account, name: string): Promise<void> =>
      store.remove(await getBucket(deps, account.id, name)),

    putObject: (bucket: Bucket, input: PutObject): Promise<BucketObject> => putObject(deps, bucket, input),
    getObject: (bucket: Bucket, key: string): Promise<BucketObject> => getObject(deps, bucket, key),
    readObject: (object: BucketObject, part?: { offset: number; length: number }): Promise<Readable | undefined> =>
      readObject(deps, object, part),
    listObjects: (bucket: Bucket, input: ListObjects): Promise<ObjectPage> => listObjects(db.kysely, bucket, input),
    removeObject: (bucket: Bucket, input: { key: string; condition?: Condition }): Promise<void> =>
      removeObject(deps, bucket, input),

    /** An address that allows one thing with one object to whoever has it. */
    sign: (bucket: Bucket, input: SignObject): { url: string; expiresAt: Date } => {
      const { path, expiresAt } = addresses.sign(bucket, input, now())
      return { url: publicUrl() + path, expiresAt }
    },
    /** The bucket of an address that allows this. Throws `forbidden`, or `not_found` when the bucket has gone. */
    signed: async (
      bucketId: string,
      wanted: { method: SignedMethod; key: string },
      given: Signature,
    ): Promise<Bucket> => {
      addresses.check(bucketId, wanted, given, now())
      return getSignedBucket(deps, bucketId)
    },

    /** Where content is kept, for the operator. */
    description: contents.description,
    /** At start: what was being written when an earlier process died is removed, by and by. */
    recover: async (): Promise<void> => {
      await store.giveUpAll()
      stopSweep = startSweep(deps)
    },
    close: (): Promise<void> => stopSweep(),
  }
}

export type Buckets = Awaited<ReturnType<typeof openBuckets>>
