import type { NetworkReport } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { type NetworkFlags, networkOptions, withNetworkOptions } from '../../options.ts'
import { harmless } from '../../output/harmless.ts'
import { printJson } from '../../output/print.ts'
import { shortSize } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addNetwork(parent: Command): void {
  withNetworkOptions(parent.command('network'))
    .description(text.network)
    .argument('<id>', text.argumentId)
    .option('--set', text.optionSet)
    .option('--json', text.optionJson)
    .action(network)
}

async function network(id: string, flags: NetworkFlags & { set?: boolean; json?: boolean }): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const policy = networkOptions(flags)
  const report = flags.set || policy ? await sandbox.network.set(policy ?? {}) : await sandbox.network.get()
  if (flags.json) return printJson(report)
  const [head, ...rows] = described(report)
  process.stdout.write(table(head!, rows))
}

function described({ policy, connected, counters, log }: NetworkReport): string[][] {
  const { field } = text
  return [
    [field.internet, policy.internet ? text.yes : text.no],
    ...(connected ? [] : [[field.connected, text.no]]),
    ...policy.allow.map((rule) => [field.allow, rule]),
    ...policy.deny.map((rule) => [field.deny, rule]),
    ...(policy.rules ?? []).map(({ host, set, remove }) => [
      field.rule,
      `${host}: ${[...set.map((name) => `+${name}`), ...remove.map((name) => `-${name}`)].join(' ')}`,
    ]),
    ...(policy.secrets ?? []).map((name) => [field.secret, name]),
    ...(policy.proxy ? [[field.proxy, policy.proxy.address]] : []),
    ...(policy.bandwidthMbps ? [[field.bandwidth, `${policy.bandwidthMbps} Mbit/s`]] : []),
    ...(counters
      ? [
          [field.sent, shortSize(counters.bytesSent)],
          [field.received, shortSize(counters.bytesReceived)],
          [field.connections, text.connectionsOf(counters.connections, counters.openConnections, counters.refused)],
        ]
      : []),
    ...log
      .slice(-shownEntries)
      .map(({ at, verdict, kind, name, address, port, reason }) => [
        at,
        harmless(
          [text.verdict[verdict], text.entryKind[kind], name, address && `${address}:${port}`, reason && `(${reason})`]
            .filter(Boolean)
            .join(' '),
        ),
      ]),
  ]
}

const shownEntries = 20
