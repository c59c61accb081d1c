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
    [text.field.id, id],
    [text.field.state, endReason ? `${state} (${endReason})` : state],
    [text.field.template, template],
    [text.field.runtime, runtime ? text.runtimeOf(runtime.driver, runtime.isolation, runtime.disk) : ''],
    ...(runtime?.unenforced.length ? [[text.field.unenforced, runtime.unenforced.join(', ')]] : []),
    ...(runtime?.passedOver ?? []).map(({ driver, reason }) => [text.field.passedOver, `${driver}: ${reason}`]),
    [text.field.limits, text.limitsOf(limits.cpuCores, limits.memoryMb, limits.diskMb, limits.maxProcesses)],
    ...Object.entries(metadata).map(([name, value]) => [text.field.metadata, `${name}=${value}`]),
    [text.field.created, createdAt],
    [text.field.expires, expiresAt],
    [text.field.ports, ports.urlTemplate],
  ]
}

/** What the server's host cannot measure has no line. */
function usage({ cpuUsec, memoryBytes, memoryPeakBytes, processes, diskBytes, oomKills }: Metrics): string[][] {
  const { field } = text
  const used = memoryBytes === undefined ? undefined : shortSize(memoryBytes)
  const memory = used && memoryPeakBytes !== undefined ? text.memoryUsed(used, shortSize(memoryPeakBytes)) : used
  return [
    ...(cpuUsec === undefined ? [] : [[field.cpu, `${(cpuUsec / 1e6).toFixed(2)} s`]]),
    ...(memory === undefined ? [] : [[field.memory, memory]]),
    [field.processes, String(processes)],
    ...(diskBytes === undefined ? [] : [[field.disk, shortSize(diskBytes)]]),
    ...(oomKills ? [[field.oomKills, text.times(oomKills)]] : []),
  ]
}
