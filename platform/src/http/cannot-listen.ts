import type { Config } from '../config.ts'
import { WarrenError } from '../errors.ts'

/** What an operator is told who cannot have this address; other errors as they are. */
export function cannotListen(error: NodeJS.ErrnoException, { host, port }: Pick<Config, 'host' | 'port'>): unknown {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'is in use by another program',
    EACCES: 'may not be used by this user',
    EADDRNOTAVAIL: 'is not an address of this machine',
  }
  const reason = reasons[error.code ?? '']
  if (!reason) return error
  return new WarrenError('conflict', `${host}:${port} ${reason}`, {
    hint: 'Choose another port, for example: WARREN_PORT=7071 npm start',
    cause: error,
  })
}
