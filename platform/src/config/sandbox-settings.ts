import { availableParallelism, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { number, oneOf, setting } from './setting.ts'

/** What an operator can set about sandboxes and what they are made from. */
export const sandboxSettings = {
  isolation: setting<'none' | 'namespaces' | 'container' | 'userspace-kernel' | 'microvm'>({
    name: 'isolation',
    env: 'WARREN_ISOLATION',
    default: 'namespaces',
    meaning:
      'Least isolation of a sandbox whose request names none: none, namespaces, container, userspace-kernel, microvm.',
    parse: oneOf('none', 'namespaces', 'container', 'userspace-kernel', 'microvm'),
  }),
  allowUnconfined: setting({
    name: 'allowUnconfined',
    env: 'WARREN_ALLOW_UNCONFINED',
    default: false,
    meaning:
      'Whether a request may name the driver "unconfined", which runs code as this user with no isolation: yes, no.',
    parse: (text) => oneOf('yes', 'no')(text) === 'yes',
  }),
  kernel: setting<string | undefined>({
    name: 'kernel',
    env: 'WARREN_KERNEL',
    default: undefined,
    meaning:
      'Linux kernel of microVMs, a file vmlinuz-<version>; its modules are looked for in ../lib/modules and /lib/modules. Default: the one that npm run fetch-kernel fetched.',
    parse: (text) => resolve(text),
  }),
  poolSize: setting({
    name: 'poolSize',
    env: 'WARREN_POOL_SIZE',
    default: Math.min(96, Math.max(4, Math.floor(totalmem() / 2 ** 28))),
    meaning:
      'Sandboxes of the template base that are kept ready, each less than 1 MiB, or a twentieth as many of gVisor. As many at most wait of all other templates and sizes that were asked for lately, as forecasts say; 0 turns warm pools off. Default: one for each 256 MiB of memory, at most 96.',
    parse: number({ least: 0, most: 1000, whole: true }),
  }),
  parallelCreates: setting({
    name: 'parallelCreates',
    env: 'WARREN_PARALLEL_CREATES',
    default: 2 * availableParallelism(),
    meaning: 'How many sandboxes are started at the same moment; further ones wait. Default: twice the cores.',
    parse: number({ least: 1, most: 1000, whole: true }),
  }),
  maxSandboxes: setting({
    name: 'maxSandboxes',
    env: 'WARREN_MAX_SANDBOXES',
    default: 1000,
    meaning:
      'How many sandboxes of one organisation may live at once, unless the organisation has a number of its own.',
    parse: number({ least: 1, most: 100_000, whole: true }),
  }),
  diskWriteMbps: setting({
    name: 'diskWriteMbps',
    env: 'WARREN_DISK_WRITE_MBPS',
    default: 400,
    meaning:
      'The most that one sandbox writes to its disk, megabytes in a second, so that its neighbours do not feel it. 0: no limit.',
    parse: number({ least: 0, most: 100_000, whole: true }),
  }),
  templates: setting<'background' | 'on-demand'>({
    name: 'templates',
    env: 'WARREN_TEMPLATES',
    default: 'background',
    meaning:
      'When the templates debian and code-interpreter are built: background (after the start, by and by) or on-demand (when somebody asks for one).',
    parse: oneOf('background', 'on-demand'),
  }),
  templateStarts: setting<'saved' | 'anew'>({
    name: 'templateStarts',
    env: 'WARREN_TEMPLATE_STARTS',
    default: 'saved',
    meaning:
      'How sandboxes get what their template starts: saved (with the memory it had at the build, where the runtime saves memory) or anew (started in each, so that no two have the same keys in their memory).',
    parse: oneOf('saved', 'anew'),
  }),
  cpuCores: setting({
    name: 'defaultLimits.cpuCores',
    env: 'WARREN_DEFAULT_CPU',
    default: 1,
    meaning: 'Cores of a sandbox whose request does not say; fractions are allowed.',
    parse: number({ least: 0.05, most: 1024 }),
  }),
  memoryMb: setting({
    name: 'defaultLimits.memoryMb',
    env: 'WARREN_DEFAULT_MEMORY_MB',
    default: 512,
    meaning: 'Memory of such a sandbox, in MiB.',
    parse: number({ least: 16, most: 4_194_304, whole: true }),
  }),
  diskMb: setting({
    name: 'defaultLimits.diskMb',
    env: 'WARREN_DEFAULT_DISK_MB',
    default: 1024,
    meaning: 'Writable disk of such a sandbox, in MiB.',
    parse: number({ least: 16, most: 16_777_216, whole: true }),
  }),
  maxProcesses: setting({
    name: 'defaultLimits.maxProcesses',
    env: 'WARREN_DEFAULT_PROCESSES',
    default: 256,
    meaning: 'Processes and threads of such a sandbox.',
    parse: number({ least: 8, most: 1_000_000, whole: true }),
  }),
  maxOpenFiles: setting({
    name: 'defaultLimits.maxOpenFiles',
    env: 'WARREN_DEFAULT_OPEN_FILES',
    default: 4096,
    meaning: 'Files that one process of such a sandbox may hold open.',
    parse: number({ least: 64, most: 1_048_576, whole: true }),
  }),
}
