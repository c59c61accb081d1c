import { whyNoMemory } from './criu.ts'
import type { OciRuntime } from './runtime.ts'

/** Containers of the host's kernel. The agent inherits the keeper's listening socket. */
export const runc: OciRuntime = {
  name: 'oci/runc',
  isolation: 'container',
  idleMemoryMb: 1,
  takesDevices: true,
  hint: 'apt-get install runc',
  whyNoMemory,
  examine: (run) => run(['runc', '--version']),
  ownFolders: [],
  shownFolders: [],
  agent: () => ['--listen-fd', '3'],
  plan: ({ id }, { path }) => ({
    options: ['--detached', '--pid-file', 'init.pid'],
    argv: [
      ...['runc', '--root', `${path}/runc`, 'run', '-d', '--preserve-fds', '1'],
      ...['--bundle', path, '--pid-file', `${path}/init.pid`, id],
    ],
  }),
}
