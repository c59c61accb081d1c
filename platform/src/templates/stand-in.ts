import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { base } from './base.ts'
import { defaultTag, isBuildId, parseReference } from './template.ts'
import type { TemplateRecords } from './template-records.ts'

/** Of the host, and so of `base`: what a code interpreter of ours is made of. */
const libraries = '/usr/lib/python3/dist-packages'
const needed = ['IPython', 'matplotlib', 'numpy', 'pandas'].map((name) => join(libraries, name))

/** Whether what `reference` names is `base`, or `base` stands in for it. */
export async function startsFromBase(records: TemplateRecords, accountId: string, reference: string): Promise<boolean> {
  return reference === base.name || (await standsIn(records, accountId, reference))
}

/**
 * Whether `base` stands in for what `reference` names: the platform's code interpreter takes minutes to be built, and on a host
 * that has its libraries nobody needs to wait for that.
 */
async function standsIn(records: TemplateRecords, accountId: string, reference: string): Promise<boolean> {
  if (isBuildId(reference)) return false
  const { name, tag } = parseReference(reference)
  if (name !== 'code-interpreter' || tag !== defaultTag || !needed.every((path) => existsSync(path))) return false
  const row = await records.find(accountId, name)
  return row?.account_id === '' && !(await records.taggedBuild(row.id, tag))
}
