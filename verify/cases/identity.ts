import { execFileSync } from 'node:child_process'
import { chmod, chown, copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { probing } from '../attempts.ts'
import type { Case, Finding } from '../case.ts'
import { probeBinary } from '../place.ts'

/** By number, those by which a process reaches beyond itself. */
const dangerous: Record<string, number> = {
  dac_read_search: 2,
  setpcap: 8,
  linux_immutable: 9,
  net_admin: 12,
  net_raw: 13,
  ipc_owner: 15,
  sys_module: 16,
  sys_rawio: 17,
  sys_chroot: 18,
  sys_ptrace: 19,
  sys_pacct: 20,
  sys_admin: 21,
  sys_boot: 22,
  sys_nice: 23,
  sys_time: 25,
  mknod: 27,
  audit_control: 30,
  setfcap: 31,
  mac_admin: 33,
  syslog: 34,
  perfmon: 38,
  bpf: 39,
  checkpoint_restore: 40,
}

const nobody = 65_534
/** Shown as "open" where nothing isolates: unconfined sandboxes have a control group and no descriptors of ours. */
const postureChecks = [
  ...[
    'user_ids',
    'uid_map',
    'capabilities',
    'no_new_privileges',
    'seccomp',
    'namespaces',
    'masked_paths',
    'both_views',
  ],
] as const

/** Who a program in a sandbox is, for itself and for the host. */
export const identity: Case[] = [
  ...Object.entries(dangerous).map(([name, number]) =>
    probing(`identity.capability_${name}`, ['capability', String(number)], { ownKernel: true }),
  ),
  ...postureChecks.map(
    (name): Case => ({
      id: `identity.measured_${name}`,
      async run(place) {
        const check = (await place.posture()).checks.find((one) => one.name === name)!
        const seen = [check.outside && `outside: ${check.outside}`, check.inside && `inside: ${check.inside}`]
        return { open: !check.ok, saw: seen.filter(Boolean).join('; ') }
      },
    }),
  ),
  probing('identity.no_new_privileges', ['no-new-privileges'], { ownKernel: true }),
  probing('identity.unfiltered_thread', ['unfiltered-threads'], { ownKernel: true }),
  probing('identity.file_capability', (_world, _place, scratch) => ['give-capability', `${scratch}/capable`], {
    ownKernel: true,
  }),
  {
    id: 'identity.become_root',
    run: async (place) => {
      const cell = await place.main()
      return cell.probe(['become-root'], [cell.users.at(-1)!])
    },
  },
  {
    id: 'identity.setuid_program',
    // A root of its own kernel may make such programs, as `sudo` is one: it raises nobody on the host.
    ownKernel: true,
    run: async (place) => {
      const cell = await place.main()
      const [owner, other] = [cell.users[0]!, cell.users.at(-1)!]
      const path = `${cell.scratch}/raised`
      await cell.sandbox.files.write(path, await readFile(probeBinary), { mode: '0755', user: owner })
      await cell.sh(`chmod 4755 ${path}`, owner)
      const { stdout } = await cell.sandbox.exec([path, 'raised-by-file'], { user: other, timeout: 10 * cell.patience })
      const { open, saw } = JSON.parse(stdout)
      return { open, saw }
    },
    // A program of root's, marked setuid, run by somebody else on the host.
    control: async ({ folder, onHost }) => {
      const path = join(folder, 'raised')
      await copyFile(probeBinary, path)
      await chown(path, 0, 0)
      await chmod(path, 0o4755)
      await chmod(folder, 0o755)
      return onHost(['raised-by-file'], { user: nobody, program: path })
    },
  },
  probing('identity.priority', ['priority'], { ownKernel: true }),
  {
    id: 'identity.inherited_descriptors',
    run: async (place) => (await place.main()).probe(['descriptors']),
    control: ({ onHost }) => onHost(['descriptors'], { leakDescriptor: true }),
  },
  {
    id: 'identity.platform_environment',
    // What the platform was started with must not come along.
    run: async (place) => variablesOfPlatform(await (await place.main()).sh('env')),
    // A program that is started in the ordinary way has the variables of its parent.
    control: async () => {
      const env = { ...process.env, WARREN_HOME: '/' }
      return variablesOfPlatform(execFileSync('env', { env, encoding: 'utf8' }))
    },
  },
]

function variablesOfPlatform(text: string): Finding {
  const found = text.split('\n').find((line) => /^(WARREN_|DATABASE_URL|NODE_|npm_)/.test(line))
  return { open: found !== undefined, saw: found?.split('=')[0] ?? 'none of its variables' }
}
