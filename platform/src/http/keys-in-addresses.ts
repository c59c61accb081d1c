import { WarrenError } from '../errors.ts'

/** Keys, access tokens, refresh tokens: what is good by itself wherever it is found. */
const secret = /(?:sk_)?e2b_[0-9a-f]{40}|wrr_[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g

/** Throws `invalid_request` for an address with a key in it: addresses are logged, kept in histories and sent on. */
export function refuseKeyInAddress(url: string): void {
  if (url.search(secret) === -1) return
  throw new WarrenError('invalid_request', 'there is a key in the address, where keys are not taken', {
    hint: 'Send it as "Authorization: Bearer KEY", and revoke this one: addresses end up in logs.',
  })
}

/** The address as it may be logged: without keys, and without what makes a signed one good. */
export function withoutKeys(url: string): string {
  return url
    .replace(secret, '[key]')
    .replace(/([?&]signature=)[^&#]*/g, '$1[signature]')
    .replace(/^(\/h\/[^/?]+\/)[^/?#]+/, '$1[token]')
}
