import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { step } from '../../lib/step.ts'
import { defaultLayerLimits, type LayerLimits } from '../layers/layer-limits.ts'
import { unpackLayer } from '../layers/unpack-layer.ts'
import type { RegistryCredentials } from './credentials.ts'
import { downloadBlob } from './download-blob.ts'
import { type ImageConfig, readImageConfig } from './image-config.ts'
import {
  acceptedManifests,
  type Descriptor,
  hostPlatform,
  type Manifest,
  parsePlatform,
  readManifest,
} from './manifest.ts'
import type { RegistryReach } from './reach.ts'
import { formatReference, type ImageReference, parseReference } from './reference.ts'
import { RegistryClient } from './registry-client.ts'
import { readBody } from './request.ts'

export interface PullOptions {
  layersDir: string
  guestBinary: string
  reach: RegistryReach
  credentials?: RegistryCredentials
  /** Such as linux/arm64; by default that of this host. */
  platform?: string
  limits?: LayerLimits
  onProgress?: (progress: PullProgress) => void
  signal?: AbortSignal
}

export interface PullProgress {
  /** From 1 on, lowest first. */
  layer: number
  layers: number
  state: 'downloading' | 'unpacking' | 'ready'
  /** Of this layer, and of how many; what it has when unpacked is not known before. */
  bytes: number
  totalBytes: number | undefined
}

export interface PulledImage {
  /** The full name with the digest of what was pulled, which will mean the same tomorrow. */
  reference: string
  /** Names of folders in `layersDir`, lowest first. The same one can come twice. */
  layers: string[]
  config: ImageConfig
}

const mostManifestBytes = 4 * 1024 ** 2
const mostConfigBytes = 8 * 1024 ** 2
const atOnce = 3

/**
 * Brings an image from its registry: each layer, unpacked, in a folder of its own that is shared by all images that have it.
 * Everything is checked against the digest by which it was named. When it rejects, layers that were done are there, and
 * nothing else.
 */
export async function pullImage(name: string, options: PullOptions): Promise<PulledImage> {
  const reference = parseReference(name)
  // The first failure stops what goes on beside it.
  const failed = new AbortController()
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])])
  const client = new RegistryClient(reference, { ...options, signal })
  const platform = options.platform ? parsePlatform(options.platform) : hostPlatform(process.arch)
  const { manifest, digest } = await fetchManifest(client, reference, platform)
  const body = await fetchSmall(client, manifest.config)
  const { config, diffIds } = readImageConfig(body, platform, manifest.layers.length)
  await fetchLayers({ client, signal, fail: (error) => failed.abort(error) }, manifest, diffIds, options)
  return { reference: formatReference({ ...reference, digest }), layers: diffIds, config }
}

async function fetchManifest(
  client: RegistryClient,
  { tag, digest }: ImageReference,
  platform: ReturnType<typeof hostPlatform>,
) {
  let wanted = digest ?? tag!
  // An index names manifests; one that names a further index is nobody's.
  for (let depth = 0; depth < 2; depth++) {
    const { body, mediaType } = await client.again(async () => {
      const answer = await client.get(`manifests/${wanted}`, { accept: acceptedManifests })
      return { body: await readBody(answer, mostManifestBytes), mediaType: answer.headers['content-type'] ?? '' }
    })
    const found = digestOf(body)
    if (wanted.includes(':') && wanted !== found)
      throw new WarrenError('invalid_request', `manifest ${wanted} of the registry is not what it says: it is ${found}`)
    const read = readManifest(body, mediaType, platform)
    if (read.kind === 'manifest') return { manifest: read.manifest, digest: found }
    wanted = read.entry.digest
  }
  throw new WarrenError('invalid_request', 'the index of the image leads to another index')
}

async function fetchSmall(client: RegistryClient, { digest, size }: Descriptor): Promise<Buffer> {
  if (size > mostConfigBytes)
    throw new WarrenError('too_large', `the configuration of the image has ${size} bytes, at most ${mostConfigBytes}`)
  const body = await client.again(async () => readBody(await client.get(`blobs/${digest}`), mostConfigBytes))
  if (digestOf(body) !== digest)
    throw new WarrenError(
      'invalid_request',
      `blob ${digest} of the registry is not what it says: it is ${digestOf(body)}`,
    )
  return body
}

interface Pulling {
  client: RegistryClient
  signal: AbortSignal
  fail: (error: unknown) => void
}

/** Some at a time. Afterwards none is at work any more, also when it rejects. */
async function fetchLayers(pulling: Pulling, { layers }: Manifest, diffIds: string[], options: PullOptions) {
  const { layersDir, limits = defaultLayerLimits } = options
  const total = layers.reduce((sum, { size }) => sum + size, 0)
  if (total > limits.bytes) throw new WarrenError('too_large', `the image has ${total} bytes, at most ${limits.bytes}`)
  await step('layers.make', layersDir, async () => {
    await mkdir(layersDir, { recursive: true, mode: 0o700 })
  })
  const waiting = [...new Map(diffIds.map((sha256, index) => [sha256, { sha256, index }])).values()]
  const worker = async () => {
    for (let next = waiting.shift(); next && !pulling.signal.aborted; next = waiting.shift()) {
      const { sha256, index } = next
      const tell = (state: PullProgress['state'], bytes: number, totalBytes?: number) =>
        options.onProgress?.({ layer: index + 1, layers: layers.length, state, bytes, totalBytes })
      await fetchLayer({ ...pulling, options: { ...options, limits }, tell }, layers[index]!, sha256).catch(
        pulling.fail,
      )
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  pulling.signal.throwIfAborted()
}

interface LayerWork extends Pulling {
  options: PullOptions & { limits: LayerLimits }
  tell: (state: PullProgress['state'], bytes: number, totalBytes?: number) => void
}

async function fetchLayer({ client, signal, options, tell }: LayerWork, descriptor: Descriptor, sha256: string) {
  const { layersDir, guestBinary, limits } = options
  const { size } = descriptor
  if (!(await isAccessible(join(layersDir, sha256)))) {
    const archive = join(layersDir, `${sha256}.${newId('d')}.blob.draft`)
    try {
      const onProgress = (bytes: number) => tell('downloading', bytes, size)
      await step('blob.download', archive, () => downloadBlob(client, descriptor, { file: archive, onProgress }))
      const onUnpack = (bytes: number) => tell('unpacking', bytes)
      await unpackLayer({ archive, sha256, layersDir, guestBinary, limits, onProgress: onUnpack, signal })
    } finally {
      await step('blob.forget', archive, () => rm(archive, { force: true }))
    }
  }
  tell('ready', size, size)
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`
}
