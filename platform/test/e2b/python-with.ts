import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../../src/lib/run-command.ts'

const cache = join(import.meta.dirname, '../../../.cache')

/** A Python with these releases of PyPI, made once; or the reason why there is none. */
export async function pythonWith(...packages: string[]): Promise<{ python?: string; reason?: string }> {
  const folder = join(cache, `python-${packages.join('-').replaceAll('==', '-')}`)
  const python = join(folder, 'bin/python')
  const done = join(folder, 'installed')
  if (existsSync(done)) return { python }
  await rm(folder, { recursive: true, force: true })
  const pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:']
  for (const argv of [
    ['python3', '-m', 'venv', folder],
    [...pip, ...packages],
    ['touch', done],
  ] as [string, ...string[]][]) {
    const { ok, failure, stderr } = await runCommand(argv, { timeoutMs: 120_000 })
    if (!ok) return { reason: `${argv.slice(0, 3).join(' ')} ${failure}: ${stderr.trim().split('\n').at(-1)}` }
  }
  return { python }
}
