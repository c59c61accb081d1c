import { X509Certificate } from 'node:crypto'
import { constants, openSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { keptAuthority } from '../lib/kept-authority.ts'
import { runCommand } from '../lib/run-command.ts'
import { step } from '../lib/step.ts'
import { systemPath } from '../lib/system-path.ts'
import { gatewayUid, type Host } from './host/host.ts'
import type { InstanceStore } from './instance-store.ts'
import { parseOpened } from './network/floor.ts'
import { type Ground, hostGround, openOwnGround } from './network/ground.ts'
import { Network, type NetworkOptions } from './network/network.ts'

export interface EgressOptions {
  /** Ranges of the floor that sandboxes may be allowed to reach. */
  open: string[]
  /** DNS servers to ask instead of the host's. */
  dns: string[]
  /** A file with certificates of authorities, in PEM, that servers are checked against beside the usual ones. */
  authorities: string | undefined
  /** The network namespace from which connections go out; the platform's own unless said. */
  uplink: string | undefined
}

/** Makes the way out of sandboxes on this host. Answers with the reason, as the end of a sentence, where that cannot be. */
export async function openNetwork(
  host: Host,
  store: InstanceStore,
  options: { home: string; name: string; egress: EgressOptions; log: NetworkOptions['log'] },
): Promise<Network | string> {
  const { home, name, egress, log } = options
  egress.open.forEach(checkOpened)
  for (const [command, packageName] of [
    ['ip', 'iproute2'],
    ['nft', 'nftables'],
    ['nsenter', 'util-linux'],
  ] as const) {
    const { ok, failure } = await runCommand([command, '--version'], { timeoutMs: 5000, env: { PATH: systemPath } })
    // ip knows the option by its short form alone, and says so with another exit code.
    if (!ok && failure === 'is not installed') return `${command} ${failure} (apt-get install ${packageName})`
  }
  const authorities = egress.authorities === undefined ? '' : await readAuthorities(egress.authorities)
  const folder = join(home, 'network')
  await step('network.folder', folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
  const records = await store.readAll()
  const taken = records.flatMap(({ spec }) => (spec.network ? [spec.network.slot] : []))
  let ground: Ground | undefined
  try {
    ground = host.root ? hostGround : await openOwnGround({ guestBinary: host.guestBinary, folder })
    return await Network.open({
      ground,
      name,
      log,
      settings: {
        opened: egress.open,
        resolvers: egress.dns,
        authority: await keptAuthority(join(home, 'egress-ca'), { name: 'Warren egress' }),
        authorities,
      },
      taken,
      gateway: {
        guestBinary: host.guestBinary,
        folder,
        socketDir: `/proc/self/fd/${openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)}`,
        uplinkPath: egress.uplink,
        uid: gatewayUid,
      },
    })
  } catch (error) {
    if (taken.length === 0) await ground?.end()
    const reason = (error as Error).message
    log.warn({ err: error }, 'sandboxes get no network')
    return reason
  }
}

async function readAuthorities(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8')
    new X509Certificate(text)
    return text
  } catch (cause) {
    throw new WarrenError('invalid_request', `WARREN_EGRESS_CA must name a file of certificates in PEM, not ${path}`, {
      cause,
    })
  }
}

function checkOpened(text: string): void {
  try {
    parseOpened(text)
  } catch (error) {
    throw new WarrenError('invalid_request', `WARREN_EGRESS_OPEN must name ${(error as Error).message}`)
  }
}
