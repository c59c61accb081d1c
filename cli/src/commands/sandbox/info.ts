import type { Metrics, SandboxInfo } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortSize } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addInfo(parent: Command): void {
  parent
    .command('info')
    .description(text.info)
    .argument('<id>', text.argumentId)
    .option('--json', text.optionJson)
    .action(info)
}

async function info(id: string, { json }: { json?: boolean }): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const metrics = sandbox.info.state === 'running' ? await sandbox.metrics() : undefined
  if (json) return printJson({ ...sandbox.info, metrics })
  const [head, ...rows] = [...described(sandbox.info), ...(metrics ? usage(metrics) : [])]
  process.stdout.write(table(head!, rows))
}

function described({
  id,
  state,
  endReason,
  template,
  runtime,
  limits,
  metadata,
  createdAt,
  expiresAt,
  ports,
}: SandboxInfo): string[][] {
  return [
    ['id', id],
    ['state', endReason ? `${state} (${endReason})` : state],
    ['template', template],
    ['runtime', runtime ? `${runtime.driver} (${runtime.isolation}), disk ${runtime.disk}` : ''],
    ...(runtime?.unenforced.length ? [['not enforced', runtime.unenforced.join(', ')]] : []),
    ...(runtime?.passedOver ?? []).map(({ driver, reason }) => ['passed over', `${driver}: ${reason}`]),
    [
      'limits',
      `${limits.cpuCores} cores, ${limits.memoryMb} MiB memory, ${limits.diskMb} MiB disk, ${limits.maxProcesses} processes`,
    ],
    ...Object.entries(metadata).map(([name, value]) => ['metadata', `${name}=${value}`]),
    ['created', createdAt],
    ['expires', expiresAt],
    ['ports', ports.urlTemplate],
  ]
}

function usage({ cpuUsec, memoryBytes, memoryPeakBytes, processes, diskBytes, oomKills }: Metrics): string[][] {
  return [
    ['cpu', `${(cpuUsec / 1e6).toFixed(2)} s`],
    ['memory', `${shortSize(memoryBytes)}, at most ${shortSize(memoryPeakBytes)}`],
    ['processes', String(processes)],
    ...(diskBytes === undefined ? [] : [['disk', shortSize(diskBytes)]]),
    ...(oomKills > 0 ? [['out of memory', `${oomKills} times`]] : []),
  ]
}
