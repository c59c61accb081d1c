import { type Layer, sha256 } from './layer.ts'

/** Where a test pushes to. */
interface Target {
  url: string
  authorization?: string
}

interface Image {
  layers: Layer[]
  config?: object
  architecture?: string
  /** Docker's media types instead of OCI's. */
  docker?: boolean
  diffIds?: string[]
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
}

const oci = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
}
const docker = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
}

export const hostArchitecture = process.arch === 'x64' ? 'amd64' : process.arch

/** Pushes an image as Docker does, and answers what an index would say of it. */
export async function pushImage(to: Target, repository: string, tag: string, image: Image): Promise<Descriptor> {
  const { layers, config = {}, architecture = hostArchitecture, diffIds = layers.map(({ diffId }) => diffId) } = image
  const types = image.docker ? docker : oci
  const configuration = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture,
      config,
      rootfs: { type: 'layers', diff_ids: diffIds.map((id) => `sha256:${id}`) },
    }),
  )
  const descriptors = []
  for (const { mediaType, content } of layers)
    descriptors.push({ mediaType, ...(await pushBlob(to, repository, content)) })
  return pushManifest(to, repository, tag, types.manifest, {
    config: { mediaType: types.config, ...(await pushBlob(to, repository, configuration)) },
    layers: descriptors,
  })
}

export function pushIndex(to: Target, repository: string, tag: string, manifests: object[]): Promise<Descriptor> {
  return pushManifest(to, repository, tag, oci.index, { manifests })
}

export async function pushBlob(
  to: Target,
  repository: string,
  content: Buffer,
): Promise<Omit<Descriptor, 'mediaType'>> {
  const digest = `sha256:${sha256(content)}`
  const started = await send(to, 'POST', `/v2/${repository}/blobs/uploads/`)
  const place = new URL(started.headers.get('location')!, to.url)
  place.searchParams.set('digest', digest)
  await send(to, 'PUT', place.href, content, 'application/octet-stream')
  return { digest, size: content.length }
}

export async function pushManifest(
  to: Target,
  repository: string,
  tag: string,
  mediaType: string,
  manifest: object,
): Promise<Descriptor> {
  const content = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...manifest }))
  await send(to, 'PUT', `/v2/${repository}/manifests/${tag}`, content, mediaType)
  return { mediaType, digest: `sha256:${sha256(content)}`, size: content.length }
}

async function send({ url, authorization }: Target, method: string, path: string, body?: Buffer, type?: string) {
  const headers = { ...(authorization ? { authorization } : {}), ...(type ? { 'content-type': type } : {}) }
  const answer = await fetch(new URL(path, url), { method, headers, body: body && new Uint8Array(body) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
  return answer
}
