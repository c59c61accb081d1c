import { join } from 'node:path'
import { probing } from '../attempts.ts'
import type { Case } from '../case.ts'
import type { World } from '../world.ts'

/** Ways to one file of the host that holds the token. */
const ways: Record<string, (world: World) => string> = {
  by_its_path: ({ secretFile }) => secretFile,
  through_own_root: ({ secretFile }) => `/proc/self/root${secretFile}`,
  through_host_process: ({ secretFile, process }) => `/proc/${process.pid}/root${secretFile}`,
  upwards: ({ secretFile }) => `/${'../'.repeat(40)}${secretFile}`,
  upwards_from_descriptors: ({ secretFile }) => `/proc/self/cwd/${'../'.repeat(40)}${secretFile}`,
}

const hostFiles = {
  admin_key: ({ home }: World) => join(home, 'admin.key'),
  sandbox_records: ({ home }: World) => join(home, 'run'),
  password_hashes: () => '/etc/shadow',
  control_plane_environment: ({ process }: World) => `/proc/${process.pid}/environ`,
}

/** What lies on the host's disk. */
export const files: Case[] = [
  ...Object.entries(ways).map(([name, path]) =>
    probing(`host_files.secret_${name}`, (world) => ['read', path(world), world.token]),
  ),
  probing(
    'host_files.secret_through_first_process',
    ({ secretFile, token }) => ['read', `/proc/1/root${secretFile}`, token],
    {
      // The first process of a host may have more rights than its root.
      control: ({ onHost, secretFile, token, process }) =>
        onHost(['read', `/proc/${process.pid}/root${secretFile}`, token]),
    },
  ),
  probing('host_files.secret_write', ({ secretFile }) => ['write', secretFile]),
  probing('host_files.admin_key', (world) => ['read', hostFiles.admin_key(world)]),
  probing('host_files.password_hashes', () => ['read', hostFiles.password_hashes()]),
  probing('host_files.process_environment', (world) => [
    'read',
    hostFiles.control_plane_environment(world),
    world.token,
  ]),
  {
    id: 'host_files.sandbox_records',
    run: async (place, world) => {
      const listing = await (await place.main()).sh(`ls ${hostFiles.sandbox_records(world)} 2>&1`)
      return { open: /^i[a-z0-9]{20}$/m.test(listing), saw: listing.trim().split('\n')[0] ?? 'nothing' }
    },
  },
  {
    id: 'host_files.leaked_working_folder',
    // What the runtime holds open while it starts a program must not be where that program starts.
    run: async (place, { secretFile, token }) => {
      const { sandbox } = await place.main()
      for (const cwd of ['/', ...Array.from({ length: 17 }, (_, fd) => `/proc/self/fd/${fd + 3}`)]) {
        const command = `cat ${'../'.repeat(40)}${secretFile}`
        const { stdout } = await sandbox
          .exec(command, { cwd, timeout: 10 * place.patience })
          .catch(() => ({ stdout: '' }))
        if (stdout.includes(token)) return { open: true, saw: `from ${cwd}` }
      }
      return { open: false, saw: 'no such file from any descriptor' }
    },
  },
  {
    id: 'host_files.link_inside',
    run: async (place, { secretFile, token }) => {
      const cell = await place.main()
      await cell.sh(`ln -sfn ${secretFile} ${cell.scratch}/link`)
      return cell.probe(['read', `${cell.scratch}/link`, token])
    },
  },
]
