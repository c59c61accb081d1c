import { number, setting } from './setting.ts'

/** What an operator can set about buckets and where their objects are. */
export const bucketSettings = {
  maxObjectMb: setting({
    name: 'buckets.maxObjectMb',
    env: 'WARREN_MAX_OBJECT_MB',
    default: 5120,
    meaning: 'How large an object of a bucket may be, in MiB.',
    parse: number({ least: 1, most: 76_000, whole: true }),
  }),
  s3Url: setting<string | undefined>({
    name: 'buckets.s3.url',
    env: 'WARREN_S3_URL',
    default: undefined,
    meaning:
      'A bucket of a service that speaks S3, such as https://s3.example.com/warren: the content of objects is kept there, below warren/. Default: none, files in WARREN_HOME.',
    parse: address,
  }),
  s3Region: setting({
    name: 'buckets.s3.region',
    env: 'WARREN_S3_REGION',
    default: 'us-east-1',
    meaning: 'Its region.',
    parse: (text) => text,
  }),
  s3AccessKey: setting<string | undefined>({
    name: 'buckets.s3.accessKey',
    env: 'WARREN_S3_ACCESS_KEY',
    default: undefined,
    meaning: 'Id of the key with which it is asked.',
    parse: (text) => text,
  }),
  s3SecretKey: setting<string | undefined>({
    name: 'buckets.s3.secretKey',
    env: 'WARREN_S3_SECRET_KEY',
    default: undefined,
    meaning: 'That key.',
    parse: (text) => text,
  }),
}

function address(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isGood =
    url && /^https?:$/.test(url.protocol) && /^\/[^/]+\/?$/.test(url.pathname) && !url.username && !url.search
  if (!isGood) throw new RangeError('an address with the bucket as its path, such as https://s3.example.com/warren')
  return text.replace(/\/$/, '')
}
