import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { WarrenError } from '../../errors.ts'
import { isDigest } from './reference.ts'

const Descriptor = Type.Object({
  mediaType: Type.String(),
  digest: Type.String(),
  size: Type.Integer({ minimum: 0 }),
})
export type Descriptor = Static<typeof Descriptor>

const Index = Type.Object({
  manifests: Type.Array(
    Type.Intersect([
      Descriptor,
      Type.Object({
        platform: Type.Optional(
          Type.Object({ os: Type.String(), architecture: Type.String(), variant: Type.Optional(Type.String()) }),
        ),
      }),
    ]),
    { maxItems: 1000 },
  ),
})

const Manifest = Type.Object({ config: Descriptor, layers: Type.Array(Descriptor) })
export type Manifest = Static<typeof Manifest>

/** As registries name a processor and its system. */
export interface Platform {
  os: string
  architecture: string
  variant?: string
}

const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
const layerTypes =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?)$/
const configTypes = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']

/** What we ask for. The old form of Docker's, whose layers have no digests of their content, is not among them. */
export const acceptedManifests = [...indexTypes, ...manifestTypes].join(', ')

/** More layers cannot be mounted over one another. */
export const mostLayers = 127

export type ManifestOrIndex = { kind: 'manifest'; manifest: Manifest } | { kind: 'index'; entry: Descriptor }

/** Reads what a registry answered; of an index, the entry for `platform`. Throws `invalid_request` or `not_found`. */
export function readManifest(body: Buffer, mediaType: string, platform: Platform): ManifestOrIndex {
  const json = parseJson(body, 'manifest')
  const said = (json as { mediaType?: unknown }).mediaType
  const type = typeof said === 'string' ? said : mediaType.split(';')[0]!.trim()
  if (indexTypes.includes(type)) return { kind: 'index', entry: choose(checked(Index, json, 'index'), platform) }
  if (!manifestTypes.includes(type))
    throw new WarrenError('invalid_request', `an image of type "${type.slice(0, 100)}" cannot be read`, {
      hint: 'Manifests of OCI and of Docker, schema 2, can.',
    })
  const manifest = checked(Manifest, json, 'manifest')
  if (!configTypes.includes(manifest.config.mediaType))
    throw new WarrenError(
      'invalid_request',
      `"${manifest.config.mediaType.slice(0, 100)}" is no image of a file system`,
    )
  if (manifest.layers.length > mostLayers)
    throw new WarrenError('invalid_request', `the image has ${manifest.layers.length} layers, at most ${mostLayers}`)
  for (const { mediaType } of manifest.layers)
    if (!layerTypes.test(mediaType))
      throw new WarrenError(
        'invalid_request',
        `the image has a layer of type "${mediaType.slice(0, 100)}", which cannot be read`,
      )
  return { kind: 'manifest', manifest }
}

/** `platform` as text: linux/arm64/v8. */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant, more] = text.split('/')
  if (!os || !architecture || more !== undefined)
    throw new WarrenError('invalid_request', `"${text}" is no platform: it must look like linux/amd64`)
  return { os, architecture, ...(variant ? { variant } : {}) }
}

export function hostPlatform(arch: string): Platform {
  return { os: 'linux', architecture: arch === 'x64' ? 'amd64' : arch }
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/')
}

/** The entry without a variant fits all; otherwise the first one of the architecture, which is the oldest by habit. */
function choose({ manifests }: Static<typeof Index>, wanted: Platform): Descriptor {
  const fitting = manifests.filter(
    ({ platform }) =>
      platform?.os === wanted.os &&
      platform.architecture === wanted.architecture &&
      (wanted.variant === undefined || platform.variant === undefined || platform.variant === wanted.variant),
  )
  const found = fitting.find(({ platform }) => platform?.variant === wanted.variant) ?? fitting[0]
  if (found) return found
  const there = manifests.flatMap(({ platform }) =>
    platform && platform.os !== 'unknown' ? [formatPlatform(platform)] : [],
  )
  throw new WarrenError('not_found', `the image is not there for ${formatPlatform(wanted)}`, {
    hint: `It is there for: ${there.slice(0, 20).join(', ').slice(0, 500) || 'nothing that is named'}.`,
  })
}

export function parseJson(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString('utf8')) ?? {}
  } catch {
    throw new WarrenError('invalid_request', `the ${what} of the image is no JSON`)
  }
}

/** Also every digest in it. */
export function checked<T extends TSchema>(schema: T, json: unknown, what: string): Static<T> {
  if (!Value.Check(schema, json)) {
    const [first] = Value.Errors(schema, json)
    throw new WarrenError('invalid_request', `the ${what} of the image is not as it should be`, {
      details: { at: first?.instancePath ?? '' },
    })
  }
  const digests = [...JSON.stringify(json).matchAll(/"digest":"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1]!)
  const strange = digests.find((digest) => !isDigest(digest))
  if (strange !== undefined)
    throw new WarrenError('invalid_request', `the ${what} of the image has the digest "${strange.slice(0, 100)}"`, {
      hint: 'Digests are sha256: and 64 digits of 0-9a-f.',
    })
  return json as Static<T>
}
