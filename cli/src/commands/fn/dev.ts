import { stat, watch } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { explain } from '../../explain.ts'
import { text } from '../../messages.ts'
import { type DeployFlags, deployPath, withDeployOptions } from './deploy.ts'
import { logs } from './logs.ts'

/** Editors write in several steps: what changes within so long is one change, milliseconds. */
const restMs = 100

export function addDev(parent: Command): void {
  withDeployOptions(parent.command('dev').description(text.fnDev).argument('<path>', text.argumentSource)).action(dev)
}

/** Deploys at each change and shows the log: what runs is what production would run. */
async function dev(path: string, flags: DeployFlags): Promise<void> {
  const first = await deployPath(path, flags)
  process.stderr.write(`${text.deployed(first.name, first.latest)}\n${first.url}\n`)
  void logs(first.name, { follow: true }).catch((error) => explain(error, false))
  const folder = (await stat(path)).isDirectory() ? path : dirname(path)
  let timer: NodeJS.Timeout | undefined
  const again = () => {
    deployPath(path, flags).then(
      ({ name, latest }) => process.stderr.write(`${text.deployed(name, latest)}\n`),
      (error) => explain(error, false),
    )
  }
  for await (const { filename } of watch(folder, { recursive: true })) {
    if (filename && /(^|\/)(node_modules|\.git|__pycache__)(\/|$)/.test(filename)) continue
    clearTimeout(timer)
    timer = setTimeout(again, restMs)
  }
}
