import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { settings } from '../src/config.ts'

const docs = join(import.meta.dirname, '../../docs')
const rows = Object.values(settings)

/** Their defaults depend on the machine; the documents describe them in words, as they do where there is none. */
const describedDefaults = ['WARREN_HOME', 'WARREN_POOL_SIZE', 'WARREN_PARALLEL_CREATES']

for (const name of ['configuration.md', 'configuration.zh-CN.md']) {
  test(`${name} has a row for every setting of the platform, and for nothing else`, () => {
    assert.deepEqual([...documented(name).keys()].sort(), rows.map((row) => row.env).sort())
  })

  test(`${name} shows the defaults as they are`, () => {
    for (const row of rows) {
      const isNone = row.default === undefined || (Array.isArray(row.default) && row.default.length === 0)
      if (isNone || describedDefaults.includes(row.env)) continue
      const shown = typeof row.default === 'boolean' ? (row.default ? 'yes' : 'no') : String(row.default)
      assert.equal(documented(name).get(row.env)?.default, `\`${shown}\``, row.env)
    }
  })
}

test('configuration.md explains each setting in the words of config.ts', () => {
  for (const row of rows) assert.equal(documented('configuration.md').get(row.env)?.meaning, row.meaning)
})

/** The rows of the table above a document's second heading, by variable. */
function documented(name: string): Map<string, { default: string; meaning: string }> {
  const [section = ''] = readFileSync(join(docs, name), 'utf8').split(/^## /m)
  const found = section.matchAll(/^\| `([A-Z0-9_]+)` \| (.+?) \| (.+?) \|$/gm)
  return new Map([...found].map(([, env, standard, meaning]) => [env!, { default: standard!, meaning: meaning! }]))
}
