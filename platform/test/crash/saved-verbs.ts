import type { Answer, Platform } from '../platform.ts'
import type { Acknowledged, Verb } from './verbs.ts'

/** What stays of a sandbox that stands still, or is saved. */
type Kept = 'memory' | 'files'

/** What can be done with saved states of sandboxes of `driver`, whose snapshots hold as much as `keeps` says. */
export function savedVerbsOf(driver: string, keeps: Kept): Verb[] {
  const prepare = (platform: Platform) => newSandbox(platform, driver)
  const prepareSnapshot = async (platform: Platform) => {
    const path = await newSandbox(platform, driver)
    const { id } = await platform.json('POST', `${path}/snapshots`)
    await platform.json('DELETE', path)
    return `/v1/snapshots/${id}`
  }
  const stands: [string, object, Kept][] = [
    ['', {}, 'memory'],
    [' without memory', { memory: false }, 'files'],
  ]
  return [
    ...stands.flatMap(([how, input, kept]): Verb[] => [
      {
        name: `pause${how}`,
        prepare,
        act: (platform, path) => platform.json('POST', `${path}/pause`, input),
        settled: (platform, path, acknowledged) => isOneOf(platform, path, { wanted: 'paused', acknowledged, kept }),
      },
      {
        name: `resume${how}`,
        prepare: async (platform) => {
          const path = await newSandbox(platform, driver)
          await platform.json('POST', `${path}/pause`, input)
          return path
        },
        act: (platform, path) => platform.json('POST', `${path}/resume`, { timeout: 600 }),
        settled: (platform, path, acknowledged) => isOneOf(platform, path, { wanted: 'running', acknowledged, kept }),
      },
    ]),
    {
      name: 'remove what is paused',
      prepare: async (platform) => {
        const path = await newSandbox(platform, driver)
        await platform.json('POST', `${path}/pause`)
        return path
      },
      act: (platform, path) => platform.json('DELETE', path),
      async settled(platform, path, acknowledged) {
        if ((await platform.call('GET', path)).status === 404) return
        await isOneOf(platform, path, { wanted: 'gone', acknowledged, kept: 'memory' })
      },
    },
    {
      name: 'snapshot',
      prepare,
      act: (platform, path) => platform.json('POST', `${path}/snapshots`),
      async settled(platform, path, acknowledged) {
        await isWhole(platform, path, 'memory')
        const { snapshots } = await platform.json('GET', `/v1/snapshots?sandbox=${path.split('/').at(-1)}`)
        if (acknowledged && snapshots.length !== 1) throw new Error('an acknowledged snapshot is not there')
        for (const { id } of snapshots) await isUsable(platform, id, keeps)
      },
    },
    {
      name: 'create from a snapshot',
      prepare: prepareSnapshot,
      act: (platform, path) => platform.sandbox({ snapshot: path.split('/').at(-1) }),
      async settled(platform, path, acknowledged) {
        if (acknowledged) await isWhole(platform, String(acknowledged.path), keeps)
        await isUsable(platform, path.split('/').at(-1)!, keeps)
      },
    },
    {
      name: 'delete a snapshot',
      prepare: prepareSnapshot,
      act: (platform, path) => platform.json('DELETE', path),
      async settled(platform, path, acknowledged) {
        const { status } = await platform.call('GET', path)
        if (status === 404) return
        if (acknowledged) throw new Error(`an acknowledged deletion, and the snapshot is there: ${status}`)
        await isUsable(platform, path.split('/').at(-1)!, keeps)
      },
    },
    ...(keeps === 'memory' ? [fork(prepare)] : []),
  ]
}

function fork(prepare: Verb['prepare'] & {}): Verb {
  return {
    name: 'fork',
    prepare,
    act: (platform, path) => platform.json('POST', `${path}/fork`, { count: 2 }),
    async settled(platform, path, acknowledged) {
      await isWhole(platform, path, 'memory')
      const copies = (acknowledged?.path as Answer)?.sandboxes ?? []
      if (acknowledged && copies.length !== 2) throw new Error(`two copies were acknowledged, not ${copies.length}`)
      for (const { id } of copies) await isWhole(platform, `/v1/sandboxes/${id}`, 'memory')
    },
  }
}

/** One with a file and a process of its own. */
async function newSandbox(platform: Platform, driver: string): Promise<string> {
  const limits = { diskMb: 40, memoryMb: 128 }
  const path = await platform.sandbox({ isolation: { driver }, limits, timeout: 600, env: { KEPT: 'variable' } })
  await platform.json('POST', `${path}/execute`, { command: 'echo file > /home/user/kept' })
  await platform.json('POST', `${path}/processes`, { command: 'sleep 1000000' })
  return path
}

/** As `wanted` where that was acknowledged, else as it was before or as wanted; in both cases nothing of it is lost. */
async function isOneOf(
  platform: Platform,
  path: string,
  { wanted, acknowledged, kept }: { wanted: string; acknowledged: Acknowledged; kept: Kept },
): Promise<void> {
  const { state } = await platform.json('GET', path)
  if (acknowledged && state !== wanted) throw new Error(`it was acknowledged as ${wanted}, and is ${state}`)
  const isPause = wanted === 'paused'
  if (state === 'paused') await platform.json('POST', `${path}/resume`)
  // A pause that did not come about gave nothing up.
  await isWhole(platform, path, isPause && state === 'running' ? 'memory' : kept)
}

async function isWhole(platform: Platform, path: string, kept: Kept): Promise<void> {
  const { stdout } = await platform.json('POST', `${path}/execute`, { command: 'cat /home/user/kept; echo $KEPT' })
  const { processes } = await platform.json('GET', `${path}/processes`)
  const running = processes.filter((process: Answer) => process.state === 'running').length
  const found = `${stdout}${running}`
  // What is made from files alone was given no environment.
  const wanted = kept === 'memory' ? ['file\nvariable\n1'] : ['file\nvariable\n0', 'file\n\n0']
  if (!wanted.includes(found)) throw new Error(`of what was kept is there: ${JSON.stringify(found)}`)
}

async function isUsable(platform: Platform, snapshot: string, keeps: Kept): Promise<void> {
  const path = await platform.sandbox({ snapshot })
  await isWhole(platform, path, keeps)
  await platform.json('DELETE', path)
}
