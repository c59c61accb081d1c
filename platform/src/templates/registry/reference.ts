import { WarrenError } from '../../errors.ts'

/** An image by its full name. */
export interface ImageReference {
  /** As people write it, with a port if it has one: docker.io, ghcr.io, 10.1.2.3:5000. */
  registry: string
  /** Where its API is: that of docker.io has another name. */
  host: string
  repository: string
  tag: string | undefined
  /** `sha256:` and 64 digits. It decides; the tag beside it is only a name. */
  digest: string | undefined
}

const part = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const hostName = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/
const hub = { registry: 'docker.io', host: 'registry-1.docker.io' }

/** Reads `python:3.12`, `ghcr.io/owner/name@sha256:…` or `127.0.0.1:5000/name`, as Docker does. Throws `invalid_request`. */
export function parseReference(text: string): ImageReference {
  const refuse = (rule: string) =>
    new WarrenError('invalid_request', `"${text.slice(0, 300)}" is no name of an image: ${rule}`, {
      hint: 'Names of images look like python:3.12-slim or ghcr.io/owner/name:tag.',
    })
  if (text.length > 1000) throw refuse('it is longer than 1000 characters')
  const [named = '', digest, more] = text.split('@')
  if (more !== undefined) throw refuse('it has more than one @')
  if (digest !== undefined && !isDigest(digest))
    throw refuse('behind the @ there must be sha256: and 64 digits of 0-9a-f')
  const slash = named.indexOf('/')
  const first = slash < 0 ? '' : named.slice(0, slash)
  const isHost = first.includes('.') || first.includes(':') || first === 'localhost'
  const { registry, host } = isHost ? place(first, refuse) : hub
  const rest = isHost ? named.slice(slash + 1) : named
  const colon = rest.lastIndexOf(':')
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag)) throw refuse(`"${tag}" is no tag`)
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const repository = registry === hub.registry && !path.includes('/') ? `library/${path}` : path
  if (repository.length > 255 || !repository.split('/').every((name) => part.test(name)))
    throw refuse('its parts are small letters and digits, with . _ - between them')
  return { registry, host, repository, tag: tag ?? (digest ? undefined : 'latest'), digest }
}

export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`
}

export function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text)
}

function place(text: string, refuse: (rule: string) => WarrenError): { registry: string; host: string } {
  const [, name = '', port] = /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  const isName = hostName.test(name) || /^\[[0-9a-fA-F:.]+\]$/.test(name)
  if (!isName || Number(port ?? 1) < 1 || Number(port ?? 1) > 65535) throw refuse(`"${text}" is no host`)
  const registry = text.toLowerCase()
  if (['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(registry)) return hub
  return { registry, host: registry }
}
