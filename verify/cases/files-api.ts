import { execFile } from 'node:child_process'
import type { Case, Finding } from '../case.ts'
import type { Cell } from '../cell.ts'
import type { Place } from '../place.ts'
import { type World, wasTouched } from '../world.ts'

const up = '../'.repeat(40)
const patienceMs = 5000

/** Paths to the host's file as a caller of the files API may write them. What is inside may be arranged first. */
const paths: Record<string, (world: World, cell: Cell) => string | Promise<string>> = {
  absolute: ({ secretFile }) => secretFile,
  upwards: ({ secretFile }) => `${up}${secretFile.slice(1)}`,
  upwards_from_folder: ({ secretFile }) => `/tmp/${up}${secretFile.slice(1)}`,
  // The first process of a host may have more rights than its root: on the control another one stands for it.
  through_first_process: ({ secretFile, process }, cell) =>
    `/proc/${isControl(cell) ? process.pid : 1}/root${secretFile}`,
  through_own_process: ({ secretFile }) => `/proc/self/root${secretFile}`,
  through_host_process: ({ secretFile, process }) => `/proc/${process.pid}/root${secretFile}`,
  through_working_folder: ({ secretFile }) => `/proc/self/cwd/${up}${secretFile.slice(1)}`,
  through_link: ({ secretFile }, cell) => linkTo(cell, 'direct', secretFile),
  through_link_upwards: ({ secretFile }, cell) => linkTo(cell, 'upwards', `${up}${secretFile.slice(1)}`),
  through_linked_folder: async ({ folder }, cell) => `${await linkTo(cell, 'folder', folder)}/secret`,
  through_links_of_links: async ({ secretFile }, cell) =>
    linkTo(cell, 'second', await linkTo(cell, 'first', await linkTo(cell, 'third', secretFile))),
}

/** Spellings that only a server which decodes too much, or stops too early, takes for that file. */
const spellings: Record<string, (path: string) => string> = {
  encoded_twice: (path) => encodeURIComponent(encodeURIComponent(`${up}${path.slice(1)}`)),
  cut_by_nul: (path) => `${encodeURIComponent(path)}%00.txt`,
  encoded_dots: (path) => `%252e%252e%252f`.repeat(20) + encodeURIComponent(path.slice(1)),
}

/** The files API works inside the sandbox: no path leads out of it. */
export const filesApi: Case[] = [
  ...Object.entries(paths).map(
    ([name, path]): Case => ({
      id: `files_api.read_${name}`,
      run: async (place, world) => {
        const cell = await place.main()
        return readsToken(place, cell, encodeURIComponent(await path(world, cell)), world.token)
      },
    }),
  ),
  ...Object.entries(spellings).map(
    ([name, spelling]): Case => ({
      id: `files_api.read_${name}`,
      run: async (place, world) => readsToken(place, await place.main(), spelling(world.secretFile), world.token),
      control: async ({ weakDoor, token, secretFile }) =>
        tokenIn(await fetch(`${weakDoor.url}/v1/sandboxes/x/files?path=${spelling(secretFile)}`), token),
    }),
  ),
  changing('files_api.write_absolute', async ({ sandbox }, { untouchedFile }) => {
    await sandbox.files.write(untouchedFile, 'changed')
  }),
  changing('files_api.write_through_link', async (cell, { untouchedFile }) => {
    await cell.sandbox.files.write(await linkTo(cell, 'write', untouchedFile), 'changed')
  }),
  changing('files_api.write_through_linked_folder', async (cell, { folder }) => {
    await cell.sandbox.files.write(`${await linkTo(cell, 'write-folder', folder)}/untouched`, 'changed')
  }),
  changing('files_api.move_over', async (cell, { untouchedFile }) => {
    await cell.sandbox.files.write(`${cell.scratch}/mine`, 'changed')
    await cell.sandbox.files.move(`${cell.scratch}/mine`, untouchedFile)
  }),
  changing('files_api.remove', ({ sandbox }, { untouchedFile }) => sandbox.files.remove(untouchedFile)),
  {
    id: 'files_api.list_host_folder',
    run: async (place, { folder }) => {
      const { sandbox } = await place.main()
      const entries = await sandbox.files.list(folder).catch(refused)
      if (typeof entries === 'string') return { open: false, saw: entries }
      const seen = entries.some(({ name }) => name === 'secret')
      return { open: seen, saw: seen ? "the host's folder" : 'a folder of its own' }
    },
  },
  {
    id: 'files_api.stat_host_file',
    run: async (place, { secretFile }) => {
      const { sandbox } = await place.main()
      const stat = await sandbox.files.stat(secretFile).catch(refused)
      return { open: typeof stat !== 'string', saw: typeof stat === 'string' ? stat : 'its size and owner are told' }
    },
  },
  {
    id: 'files_api.swapped_link',
    // A link that points now here and now there, while the file behind it is read.
    run: async (place, { secretFile, token }) => {
      const cell = await place.main()
      const path = `${cell.scratch}/swapped`
      const swapping = await cell.sandbox.spawn(
        `echo mine > ${path}.own; while :; do ln -sfn ${path}.own ${path}; ln -sfn ${secretFile} ${path}; done`,
      )
      try {
        for (let tries = 0; tries < 150; tries++) {
          const text = await cell.sandbox.files.readText(path).catch(refused)
          if (text.includes(token)) return { open: true, saw: `the host's file, at try ${tries + 1}` }
        }
        return { open: false, saw: 'in 150 tries never the file of the host' }
      } finally {
        await swapping.kill()
      }
    },
  },
  {
    id: 'files_api.pipe_without_writer',
    // Opening a pipe waits for whoever writes to it, for ever.
    run: async (place) => {
      const cell = await place.main()
      await cell.sh(`test -p ${cell.scratch}/pipe || mkfifo -m 666 ${cell.scratch}/pipe`)
      const signal = AbortSignal.timeout(patienceMs * place.patience)
      const read = await cell.sandbox.files.readText(`${cell.scratch}/pipe`, { signal }).catch(refused)
      if (!signal.aborted) return { open: false, saw: read || 'nothing to read' }
      const alive = await cell.sh('echo alive')
      return { open: !alive.includes('alive'), saw: 'it waits, and everything else goes on' }
    },
    control: ({ folder }) =>
      new Promise((resolve) => {
        const script = `mkfifo ${folder}/pipe && cat ${folder}/pipe`
        execFile('sh', ['-c', script], { timeout: 1000, killSignal: 'SIGKILL' }, (error) =>
          resolve({ open: error?.killed === true, saw: 'a plain reader waits for ever, and so does who waits for it' }),
        )
      }),
  },
  {
    id: 'files_api.environment_of_first_process',
    ownKernel: true,
    run: async (place, { process }) => {
      const cell = await place.main()
      const path = `/proc/${isControl(cell) ? process.pid : 1}/environ`
      const text = await cell.sandbox.files.readText(path).catch(refused)
      return { open: text.includes('='), saw: text.includes('=') ? 'its environment' : text || 'nothing' }
    },
  },
]

function isControl({ sandbox }: Cell): boolean {
  return sandbox.info.runtime?.isolation === 'none'
}

async function linkTo(cell: Cell, name: string, target: string): Promise<string> {
  const path = `${cell.scratch}/link-${name}`
  await cell.sh(`ln -sfn '${target}' ${path}`)
  return path
}

async function readsToken(place: Place, cell: Cell, encodedPath: string, token: string): Promise<Finding> {
  const findings: Finding[] = []
  for (const user of cell.users) {
    const query = `path=${encodedPath}${user ? `&user=${user}` : ''}`
    const url = `${place.server.url}/v1/sandboxes/${cell.sandbox.id}/files?${query}`
    findings.push(await tokenIn(await fetch(url, { headers: { 'x-api-key': place.server.key } }), token))
  }
  return findings.find(({ open }) => open) ?? findings[0]!
}

async function tokenIn(response: Response, token: string): Promise<Finding> {
  const text = await response.text()
  return text.includes(token)
    ? { open: true, saw: "the content of the host's file" }
    : { open: false, saw: `status ${response.status}` }
}

/** An attempt to change a file of the host. */
function changing(id: string, act: (cell: Cell, world: World) => Promise<unknown>): Case {
  return {
    id,
    run: async (place, world) => {
      const saw = await act(await place.main(), world).then(() => 'accepted, inside', refused)
      const touched = await wasTouched(world)
      return { open: touched, saw: touched ? "the host's file changed" : saw }
    },
  }
}

function refused(error: unknown): string {
  return (error as { code?: string }).code ?? String(error)
}
