import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { type BuildLogEntry, type Templates, WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { copiedFiles } from '../../context/copied-files.ts'
import { type ContextEntry, listContext } from '../../context/list-context.ts'
import { bytesOf, hashFiles, packFiles } from '../../context/pack-files.ts'
import { text } from '../../messages.ts'
import { pair, positive, wholePositive } from '../../options.ts'
import { harmless } from '../../output/harmless.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { progressBar } from '../../output/progress-bar.ts'
import { server } from '../../server.ts'

interface Flags {
  name?: string
  tag?: string[]
  file?: string
  target?: string
  buildArg?: Record<string, string>
  start?: string
  ready?: string
  startAnew?: boolean
  cpu?: number
  memory?: number
  cache: boolean
  registryUser?: string
  json?: boolean
}

export function addBuild(parent: Command): void {
  parent
    .command('build')
    .description(text.templateBuild)
    .argument('[folder]', text.argumentFolder, '.')
    .option('-n, --name <name>', text.optionTemplateName)
    .option('--tag <tag>', text.optionTag, (tag: string, before: string[] = []) => [...before, tag])
    .option('-f, --file <file>', text.optionDockerfile)
    .option('--target <stage>', text.optionTarget)
    .option('--build-arg <name=value>', text.optionBuildArg, pair)
    .option('--start <command>', text.optionStart)
    .option('--ready <command>', text.optionReady)
    .option('--start-anew', text.optionStartAnew)
    .option('--cpu <cores>', text.optionCpu, positive)
    .option('--memory <mb>', text.optionMemory, wholePositive)
    .option('--no-cache', text.optionNoCache)
    .option('--registry-user <name>', text.optionRegistryUser)
    .option('--json', text.optionJson)
    .addHelpText('after', `\n${text.templateBuildHelp}`)
    .action(build)
}

/** What the build says goes to stderr; the template's name alone to stdout. */
async function build(given: string, flags: Flags): Promise<void> {
  const folder = resolve(given)
  const path = flags.file ? resolve(flags.file) : join(folder, 'Dockerfile')
  if (!existsSync(path)) throw new WarrenError('not_found', text.noSuchFile(path))
  const { target, buildArg: buildArgs = {} } = flags
  const dockerfile = await readFile(path, 'utf8')
  const entries = await listContext(folder, basename(path))
  const files = copiedFiles(entries, { dockerfile, buildArgs, target })
  const { templates } = server()
  const uploads = await upload(templates, folder, files)
  const name = flags.name ?? nameOf(folder)
  const built = await templates.build(
    {
      name,
      ...(flags.tag ? { tags: flags.tag } : {}),
      ...(flags.registryUser ? { registry: { username: flags.registryUser, password: password() } } : {}),
      dockerfile: { text: dockerfile, buildArgs, uploads, ...(target === undefined ? {} : { target }) },
      ...(flags.start ? { startCommand: flags.start } : {}),
      ...(flags.ready ? { readyCommand: flags.ready } : {}),
      ...(flags.startAnew ? { startAnew: true } : {}),
      ...(flags.cpu ? { cpuCores: flags.cpu } : {}),
      ...(flags.memory ? { memoryMb: flags.memory } : {}),
      ...(flags.cache ? {} : { force: true }),
    },
    { onLog: tell },
  )
  if (flags.json) return printJson({ ...built, log: undefined })
  process.stdout.write(`${name}\n`)
}

/** Once for each checksum; answers the checksum for each line. */
async function upload(templates: Templates, folder: string, files: Map<number, ContextEntry[]>) {
  const uploads: Record<string, string> = {}
  const done = new Set<string>()
  for (const [line, entries] of files) {
    const hash = await hashFiles(folder, entries)
    uploads[line] = hash
    if (done.has(hash)) continue
    done.add(hash)
    const total = bytesOf(entries)
    await withProgress(text.uploading, (report) => {
      const content = packFiles(folder, entries, (bytes) => report(progressBar(bytes, total)))
      return templates.upload(hash, content)
    })
  }
  return uploads
}

function tell({ message, level }: BuildLogEntry): void {
  process.stderr.write(`${level === 'error' ? '✗ ' : ''}${harmless(message)}\n`)
}

/** Not an option: those are seen by everybody on this machine. */
function password(): string {
  const given = process.env.WARREN_REGISTRY_PASSWORD
  if (given) return given
  throw new WarrenError('invalid_request', text.noRegistryPassword)
}

/** The folder's, as far as it can be a template's. */
function nameOf(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
  if (/[a-z0-9]/.test(name)) return name
  throw new WarrenError('invalid_request', text.needsTemplateName)
}
