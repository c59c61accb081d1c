import {
  fillPlaceholders,
  isForHost,
  isHeaderValue,
  type Outgoing,
  type OutgoingSecret,
  type Placeholder,
  placeholdersIn,
  ruleFor,
} from '../outgoing.ts'

type Headers = Record<string, string | string[]>

/** A request may not go out as it is. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

/**
 * The headers of a request to `host` as they go out: those of its rule in the place of what the program inside wrote, and
 * in the rest placeholders of secrets that this sandbox was given for this host. Throws `NotSent` for any other placeholder.
 */
export function changeHeaders(headers: Headers, outgoing: Outgoing, host: string): Headers {
  const rule = ruleFor(outgoing.rules, host)
  const changed: Headers = {}
  for (const [name, value] of Object.entries(headers)) {
    if (rule && (Object.hasOwn(rule.set, name) || rule.remove.includes(name))) continue
    const filled = (text: string) => fillFromInside(name, text, (found) => insideValue(outgoing, found, host))
    changed[name] = Array.isArray(value) ? value.map(filled) : filled(value)
  }
  for (const [name, value] of Object.entries(rule?.set ?? {}))
    changed[name] = fillPlaceholders(value, (found) => valueFor(outgoing, found, host))
  return changed
}

/** Programs write a user and a password in base64: what is in there counts too. */
function fillFromInside(name: string, text: string, fill: (found: Placeholder) => string): string {
  const [, scheme, encoded] = (name === 'authorization' && /^(basic) +([A-Za-z0-9+/]+=*)$/i.exec(text)) || []
  if (scheme && encoded) {
    const decoded = Buffer.from(encoded, 'base64').toString('latin1')
    if (placeholdersIn(decoded).length === 0) return text
    return `${scheme} ${Buffer.from(fillPlaceholders(decoded, fill), 'latin1').toString('base64')}`
  }
  return fillPlaceholders(text, fill)
}

function insideValue(outgoing: Outgoing, { of, name }: Placeholder, host: string): string {
  if (of === 'identity') throw new NotSent(`the identity token "${name}" is sent by rules alone`)
  if (!outgoing.inside.includes(name)) throw new NotSent(`the secret "${name}" was not given to this sandbox`)
  const secret = found(outgoing, name)
  if (!secret.hosts.some((pattern) => isForHost(pattern, host))) throw notFor(name, host)
  return usable(secret)
}

function valueFor(outgoing: Outgoing, { of, name }: Placeholder, host: string): string {
  if (of === 'identity') {
    const token = outgoing.identities?.[name]
    if (token !== undefined) return token
    throw new NotSent(`there is no identity token "${name}" any more`)
  }
  const secret = found(outgoing, name)
  if (secret.hosts.length > 0 && !secret.hosts.some((pattern) => isForHost(pattern, host))) throw notFor(name, host)
  return usable(secret)
}

function found({ secrets }: Outgoing, name: string): OutgoingSecret {
  const secret = secrets.find((one) => one.name === name)
  if (secret) return secret
  throw new NotSent(`there is no secret "${name}" any more`)
}

function notFor(name: string, host: string): NotSent {
  return new NotSent(`the secret "${name}" is not for ${host}`)
}

function usable({ name, value }: OutgoingSecret): string {
  if (isHeaderValue(value)) return value
  throw new NotSent(`the secret "${name}" has characters that no header may have`)
}
