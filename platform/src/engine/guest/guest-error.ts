import { type ErrorCode, WarrenError } from '../../errors.ts'
import type { Fields } from './frames.ts'

const codes: Record<string, ErrorCode> = {
  not_found: 'not_found',
  exists: 'conflict',
  not_a_directory: 'invalid_request',
  is_a_directory: 'invalid_request',
  not_empty: 'conflict',
  permission_denied: 'forbidden',
  no_space: 'limit_exceeded',
  invalid: 'invalid_request',
  limit: 'limit_exceeded',
  unavailable: 'unavailable',
  unsupported: 'invalid_request',
  internal: 'internal',
}

/** Turns the guest's ERROR into ours. The text comes from a sandbox: it is cut to a sane length. */
export function guestError(fields: Fields): WarrenError {
  const guestCode = fields.text(1) ?? 'internal'
  const message = (fields.text(2) ?? 'the guest agent gave no reason').slice(0, 2000)
  const code = codes[guestCode] ?? 'unavailable'
  return new WarrenError(code, message, { details: { guestCode } })
}
