import { WarrenError } from '../../errors.ts'
import { authorizeEcr } from './ecr.ts'
import type { RegistryReach } from './reach.ts'

/** What proves to a registry who asks, in the shapes of the E2B contract. */
export type RegistryCredentials =
  | { type: 'registry'; username: string; password: string }
  | { type: 'aws'; awsAccessKeyId: string; awsSecretAccessKey: string; awsRegion: string }
  | { type: 'gcp'; serviceAccountJson: string }

/** Name and password for HTTP's Basic scheme. AWS sells one for twelve hours, Google takes the key file as it is. */
export async function basicOf(
  credentials: RegistryCredentials,
  reach: RegistryReach,
  signal?: AbortSignal,
): Promise<string> {
  switch (credentials.type) {
    case 'registry':
      return basic(credentials.username, credentials.password)
    case 'gcp':
      return basic('_json_key', serviceAccount(credentials.serviceAccountJson))
    case 'aws':
      return authorizeEcr(credentials, reach, signal)
  }
}

function basic(username: string, password: string): string {
  if (username.includes(':'))
    throw new WarrenError('invalid_request', 'the name of a user of a registry has no ":" in it')
  return Buffer.from(`${username}:${password}`).toString('base64')
}

function serviceAccount(json: string): string {
  try {
    if (typeof JSON.parse(json) === 'object') return json
  } catch {}
  throw new WarrenError('invalid_request', 'serviceAccountJson must be the JSON key of a service account')
}
