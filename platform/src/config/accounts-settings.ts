import { type Role, roleNames } from './role-names.ts'
import { list, oneOf, setting } from './setting.ts'

/** What an operator can set about who comes in, and how. */
export const accountsSettings = {
  publicUrl: setting<string | undefined>({
    name: 'publicUrl',
    env: 'WARREN_PUBLIC_URL',
    default: undefined,
    meaning:
      'Address under which people reach the platform, such as https://warren.example.com: it stands in links, and providers of single sign-on send people back to it. Default: the domain, else the address of this machine.',
    parse: origin,
  }),
  oidcIssuer: setting<string | undefined>({
    name: 'oidc.issuer',
    env: 'WARREN_OIDC_ISSUER',
    default: undefined,
    meaning: 'Provider of single sign-on (OpenID Connect), as the address of its issuer. Without one there is none.',
    parse: issuer,
  }),
  oidcClientId: setting<string | undefined>({
    name: 'oidc.clientId',
    env: 'WARREN_OIDC_CLIENT_ID',
    default: undefined,
    meaning: 'What the provider calls this platform.',
    parse: (text) => text,
  }),
  oidcClientSecret: setting<string | undefined>({
    name: 'oidc.clientSecret',
    env: 'WARREN_OIDC_CLIENT_SECRET',
    default: undefined,
    meaning: 'By what the provider knows this platform.',
    parse: (text) => text,
  }),
  oidcDomains: setting<string[]>({
    name: 'oidc.domains',
    env: 'WARREN_OIDC_DOMAINS',
    default: [],
    meaning:
      'Domains of addresses, with commas between, whose people become members of the first organisation when they first come. Without any only those come in who are users already.',
    parse: (text) => list(text.toLowerCase()),
  }),
  oidcRole: setting<Role>({
    name: 'oidc.role',
    env: 'WARREN_OIDC_ROLE',
    default: 'viewer',
    meaning: `What they become: ${roleNames.join(', ')}.`,
    parse: oneOf(...roleNames),
  }),
}

function origin(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\//.test(text) || new URL(text).origin !== text.replace(/\/$/, ''))
    throw new RangeError('an address without a path, such as https://warren.example.com')
  return new URL(text).origin
}

/** In clear only on this machine: what goes over the network to a provider is worth as much as a password. */
function issuer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isHere = url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  if (!isHere && url?.protocol !== 'https:') throw new RangeError('an address that begins with https://')
  return text
}
