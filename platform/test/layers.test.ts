import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { layerViolations } from './layers.ts'

const source = join(import.meta.dirname, '../src')

test('the platform keeps its layers', () => {
  const paths = globSync('**/*.ts', { cwd: source })
  assert.ok(paths.length > 20, 'the platform has sources')
  const files = Object.fromEntries(paths.map((path) => [path, readFileSync(join(source, path), 'utf8')]))
  assert.deepEqual(layerViolations(files), [])
})

test('a small platform that keeps them has no violation', () => {
  assert.deepEqual(layerViolations(wellShaped()), [])
})

/** What is planted into the well-shaped platform, and the words by which it must be found. */
const planted: Record<string, { files: Record<string, string>; found: RegExp }> = {
  'an import up': {
    files: { 'engine/engine.ts': `import { create } from '../sandboxes/create.ts'` },
    found: /mechanism is below policy/,
  },
  'a type imported up': {
    files: { 'lib/id.ts': `import type { Engine } from '../engine/engine.ts'` },
    found: /base is below mechanism/,
  },
  'an import up, written over several lines': {
    files: { 'engine/engine.ts': `import {\n  type A,\n  create,\n} from '../sandboxes/create.ts'` },
    found: /mechanism is below policy/,
  },
  'an import up, made while running': {
    files: { 'engine/engine.ts': `const x = await import('../http/gateway.ts')` },
    found: /mechanism is below edge/,
  },
  'a driver that uses another': {
    files: { 'engine/drivers/oci/driver.ts': `import { start } from '../namespaces/driver.ts'` },
    found: /drivers do not know each other/,
  },
  'a model API that uses another': {
    files: {
      'models/apis/gemini/wire.ts': `import { anthropic } from '../anthropic/wire.ts'`,
      'models/apis/anthropic/wire.ts': '',
    },
    found: /drivers do not know each other/,
  },
  'a driver that uses the engine': {
    files: { 'engine/drivers/oci/driver.ts': `import { claim } from '../../warm-pool.ts'` },
    found: /driver is below mechanism/,
  },
  'code of a neighbour': {
    files: { 'sandboxes/create.ts': `import { type Account, find } from '../accounts/account.ts'` },
    found: /neighbours share types/,
  },
  'billing imported': {
    files: { 'sandboxes/create.ts': `import type { Price } from '../billing/price.ts'`, 'billing/price.ts': '' },
    found: /billing only listens/,
  },
  'main imported': {
    files: { 'accounts/account.ts': `import { main } from '../main.ts'` },
    found: /nobody imports main\.ts/,
  },
  'the configuration read below main': {
    files: { 'engine/engine.ts': `import { readConfig } from '../config.ts'` },
    found: /only main\.ts reads the configuration/,
  },
  'the environment read below main': {
    files: { 'engine/engine.ts': 'const home = process.env.WARREN_HOME' },
    found: /reads process\.env/,
  },
  'a cycle': {
    files: { 'lib/a.ts': `import { b } from './b.ts'`, 'lib/b.ts': `export { a } from './a.ts'` },
    found: /import cycle: lib\/a\.ts -> lib\/b\.ts -> lib\/a\.ts/,
  },
  'a folder without a layer': { files: { 'things/thing.ts': '' }, found: /its folder has no layer/ },
  'a vague name': { files: { 'engine/utils.ts': '' }, found: /"utils\.ts" does not say/ },
  'a vague folder': { files: { 'engine/shared/x.ts': '' }, found: /"shared" does not say/ },
  'a god-file': { files: { 'engine/engine.ts': '\n'.repeat(401) }, found: /401 lines/ },
  'an import of what is not there': {
    files: { 'engine/engine.ts': `import { x } from './gone.ts'` },
    found: /engine\/gone\.ts, which does not exist/,
  },
}

for (const [name, { files, found }] of Object.entries(planted)) {
  test(`found: ${name}`, () => {
    const violations = layerViolations({ ...wellShaped(), ...files })
    assert.equal(violations.length, 1, violations.join('\n'))
    assert.match(violations[0]!, found)
  })
}

function wellShaped(): Record<string, string> {
  return {
    'main.ts': `import { readConfig } from './config.ts'\nimport { gateway } from './http/gateway.ts'`,
    'config.ts': `import { WarrenError } from './errors.ts'\nprocess.env.HOME`,
    'errors.ts': '',
    'http/gateway.ts': `import { create } from '../sandboxes/create.ts'\nimport type { Config } from '../config.ts'`,
    'accounts/account.ts': '',
    'sandboxes/create.ts': `import type { Account } from '../accounts/account.ts'\nimport { id } from '../lib/id.ts'`,
    'engine/engine.ts': `import { oci } from './drivers/oci/driver.ts'\nimport type { Driver } from './driver.ts'`,
    'engine/driver.ts': '',
    'engine/warm-pool.ts': '',
    'engine/drivers/oci/driver.ts': `import type { Driver } from '../../driver.ts'\nimport { mount } from '../../host/mount.ts'`,
    'engine/drivers/namespaces/driver.ts': '',
    'engine/host/mount.ts': `import { id } from '../../lib/id.ts'`,
    'lib/id.ts': '// process.env is not read here',
  }
}
